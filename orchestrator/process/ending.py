"""The end of a flow's process: what Python does at exit, minus the tearing down, and nothing printed is lost."""

import atexit
import sys

from orchestrator.process import output
from orchestrator.sdk import stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_fflush: "Callable[[None], object] | None" = None


def find_fflush() -> None:
    """Find what flushes C's buffer: once for all forks of a process, which then need not look whether they have to."""
    global _fflush
    _fflush = stdlib.load("ctypes").CDLL(None).fflush


def finish_user_code() -> None:
    """Join the user's threads, run his atexit handlers, and flush everything, as the interpreter would."""
    threading = sys.modules.get("threading")
    if threading is not None and hasattr(threading, "_shutdown"):
        _quietly(threading._shutdown)
    # The C module's own function: it runs every handler, prints what one raises, and goes on.
    _quietly(atexit._run_exitfuncs)
    output.flush()
    if _fflush is None and _foreign_extensions():
        _quietly(find_fflush)
    _quietly(_flush_c)


def _quietly(step: object) -> None:
    try:
        step()  # type: ignore[operator]
    except BaseException as error:
        sys.__excepthook__(type(error), error, error.__traceback__)


def _foreign_extensions() -> bool:
    """Whether compiled code that is not Python's own is loaded: it may have printed into C's buffer."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "_ctypes" or (isinstance(file, str) and file.endswith(".so") and not stdlib.is_standard(file)):
            return True
    return False


def _flush_c() -> None:
    if _fflush is not None:
        _fflush(None)
