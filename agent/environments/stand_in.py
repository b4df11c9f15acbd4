"""What stands for the SDK in an environment that was built for a flow: a package that leads to the agent's own.

A flow's own process does without: the SDK is there before it looks for it. But a Python that the flow starts (a pool of
processes that are spawned, a script) imports the flow's file anew, in an interpreter that nobody has prepared. There
`import orchestrator` finds this file, which becomes the package that `HEADGATE_SDK` names: nothing else of ours comes
with it, and the version is that of the agent that runs the flow. A package of the flow's own is left as it is.
"""

from pathlib import Path

SDK_VARIABLE = "HEADGATE_SDK"
TEXT = f'''"""Stands for Headgate's SDK, which is where {SDK_VARIABLE} says; agents set it in every run."""

import os

if "{SDK_VARIABLE}" not in os.environ:
    raise ModuleNotFoundError("No module named 'orchestrator': this environment is for runs of Headgate", name=__name__)
__path__ = [os.environ["{SDK_VARIABLE}"]]
__file__ = os.path.join(__path__[0], "__init__.py")
with open(__file__, "rb") as file:
    exec(compile(file.read(), __file__, "exec"))
'''


def put_into(folder: Path) -> None:
    """Write it into an environment, unless that has a package of this name."""
    for libraries in folder.glob("lib/python*/site-packages"):
        if not list(libraries.glob("orchestrator*")):
            (libraries / "orchestrator.py").write_text(TEXT)
