"""What a run had to import beside the user's own files: told at its end, so that the next ones may find it loaded."""

import os
import sys

from orchestrator.process.link import Link
from orchestrator.sdk import stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_MODULES = 5000
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_NOT_THEIRS = ("__main__", "site", "sitecustomize", "usercustomize")
_OWN = "orchestrator"


def tell(link: Link, start: "Mapping[str, object]", result: "Mapping[str, object]") -> None:
    """Send the names, of a run that has succeeded: another one may have ended before it imported what it needs."""
    if result.get("state") != "COMPLETED":
        return
    try:
        names = needed(str(start.get("folder") or ""))
    except Exception:  # a module that a flow put into sys.modules may be anything: the run's end is not held up by it
        return
    link.send("modules", {"names": names})


def needed(folder: str) -> list[str]:
    """Installed and standard modules that are loaded, and ours, in the order in which they were asked for."""
    found = []
    for name, module in list(sys.modules.items()):
        package = name.partition(".")[0] if isinstance(name, str) else "__main__"
        if package in _NOT_THEIRS:
            continue
        file = getattr(module, "__file__", None)
        shared = isinstance(file, str) and (package == _OWN or is_installed(file, folder))
        if shared and getattr(module, "__spec__", None) is not None:
            found.append(name)
    return found[:MOST_MODULES]


def is_installed(file: str, folder: str) -> bool:
    """Whether a module's file belongs to the environment. What is below the user's folder is his own.

    But for an environment that stands in that folder itself.
    """
    return is_foreign(file, folder) or (not _is_below(file, folder) and stdlib.is_standard(file))


def is_foreign(file: str, folder: str) -> bool:
    """Whether it is of a package that was installed: neither the user's nor Python's own."""
    inner = file[len(folder.rstrip(os.sep)) :] if _is_below(file, folder) else file
    return any(part in inner for part in _INSTALLED)


def _is_below(file: str, folder: str) -> bool:
    return bool(folder) and file.startswith(folder.rstrip(os.sep) + os.sep)
