"""The command line of a flow's process: an interpreter, and the lines that bring our SDK into it; pure.

Which interpreter it is the deployment chose: Headgate may not be installed in it, or another version of it, or a
stranger's package of the same name. So `orchestrator` is loaded from this installation by its own path, and what is
inside of it is found by its own path ever after. No folder of ours comes onto sys.path, where it would bring along what
else lies there: the environment's own `redis`, `click` or `agent` is what a flow gets.
"""

import sys
from pathlib import Path

import orchestrator

FOLDER = str(Path(orchestrator.__file__).absolute().parent)

# Given whole on the command line: a file would have to be found, read and compiled at every start. Even Python 2.7
# understands it. The empty entry is the folder that the agent was started in: -P, which leaves it out, is younger than
# the oldest interpreters that have to say what they are. What an environment runs at every start may have loaded a
# package of our name.
LINES = """\
import sys
if sys.version_info < (3, 11):
    sys.exit("flows need Python 3.11 or newer, found %s at %s" % (sys.version.split()[0], sys.executable))
if sys.path[:1] == [""]: del sys.path[0]
m, o = sys.modules, {folder!r}
for n in [n for n in m if n.partition(".")[0] == "orchestrator"]: del m[n]
e, g = m["_frozen_importlib_external"], None
"""
PACKED = """\
import marshal, os
p = os.pread({fd}, {size}, 0)
os.close({fd})
if p[:4] == e.MAGIC_NUMBER:
    i, p = marshal.loads(p[4:])
    g = {{"__name__": "orchestrator.process.packed"}}
    exec(i, g)
    g["load"](p)
"""
FROM_FILES = """\
if g is None:
    s = e.spec_from_file_location("orchestrator", o + "/__init__.py", submodule_search_locations=[o])
    m["orchestrator"] = m["_frozen_importlib"].module_from_spec(s)
    s.loader.exec_module(m["orchestrator"])
"""
RUN = "from orchestrator.process.{entry} import main; main({descriptors})\n"


def command(
    interpreter: str | None,
    descriptors: tuple[int, ...],
    *,
    entry: str = "child",
    pack: tuple[int, int] | None = None,
) -> list[str]:
    """What is run; `interpreter` None is the agent's own, `entry` a module of `orchestrator.process`.

    `pack` is the descriptor under which the process has our modules (`agent.runners.pack`), and their bytes.
    """
    run = LINES.format(folder=FOLDER)
    if pack is not None:
        run += PACKED.format(fd=pack[0], size=pack[1])
    run += FROM_FILES + RUN.format(entry=entry, descriptors=", ".join(map(str, descriptors)))
    return [sys.executable, "-P", "-c", run] if interpreter is None else [interpreter, "-c", run]
