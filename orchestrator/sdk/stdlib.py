"""Loading a standard module late, past any file of the same name that stands beside the user's flow.

A flow's process loads json, asyncio and the like only when a flow needs them. By then the flow's folder is first on
sys.path, and may hold a json.py, a types.py, a logging.py. In plain Python such a file breaks every standard module
that imports the name; here ours must go on working, and the user's `import json` must still give the user's file.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

HOME = os.path.dirname(os.__file__) + os.sep
_PACKAGES = (os.path.join(HOME, "site-packages"), os.path.join(HOME, "dist-packages"))

# Standard modules of ours whose names belong to the user's files in sys.modules.
_apart: "dict[str, ModuleType]" = {}


def is_standard(origin: "str | None") -> bool:
    """Whether a module that comes from this file is Python's own."""
    if origin is None or origin in ("built-in", "frozen"):
        return True
    return origin.startswith(HOME) and not origin.startswith(_PACKAGES)


def load(name: str) -> "Any":
    """The standard module of this name, also when the user's folder holds another one."""
    found = _apart.get(name) or sys.modules.get(name)
    if found is not None and is_standard(_origin(found)):
        return found
    shadows = _shadows()
    if not shadows:
        return __import__(name, fromlist=("*",))
    return _load_apart(name, shadows)


def _origin(module: "ModuleType") -> "str | None":
    return getattr(module, "__file__", None) or getattr(getattr(module, "__spec__", None), "origin", None)


def _shadows() -> set[str]:
    """Names of standard modules for which a file or folder stands before the standard library on sys.path."""
    names: set[str] = set()
    for folder in sys.path:
        if (folder + os.sep).startswith(HOME):
            break
        try:
            entries = os.listdir(folder or os.curdir)
        except OSError:
            continue
        names.update(entry.partition(".")[0] for entry in entries)
    return names & sys.stdlib_module_names


def _load_apart(name: str, shadows: set[str]) -> "Any":
    """Import with the user's folders out of sight; afterwards the shadowed names are the user's again.

    For that moment an import in another thread would not find the user's modules; it happens only in folders that
    shadow the standard library, once for each late module.
    """
    theirs = {key: sys.modules.pop(key) for key in list(sys.modules) if _top(key) in shadows and _is_theirs(key)}
    sys.modules.update(_apart)
    path = sys.path[:]
    sys.path[:] = [folder for folder in path if (folder + os.sep).startswith(HOME) and folder not in _PACKAGES]
    before = set(sys.modules)
    try:
        return __import__(name, fromlist=("*",))
    finally:
        sys.path[:] = path
        for key in list(sys.modules):
            if _top(key) in shadows and (key in _apart or key not in before):
                _apart[key] = sys.modules.pop(key)
        sys.modules.update(theirs)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_theirs(name: str) -> bool:
    return not is_standard(_origin(sys.modules[name]))
