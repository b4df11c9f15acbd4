"""Importing what runs will need into a process that they are forked from, and whether it may still be forked then.

Only what one thread and no open descriptor can hold survives a fork. After every package that was imported the kernel
is asked: threads, descriptors, signals. The first package that leaves more than its modules behind is named.
"""

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_HARMLESS = ("/dev/null", "/dev/urandom", "/dev/random", "/dev/zero")
_SIGNALS = ("SigBlk:", "SigIgn:", "SigCgt:")


class Unfit(Exception):
    """A package that can not be shared by forks, and why."""

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(f"{package} {reason}")
        self.package = package
        self.reason = reason


class Census:
    """What the process has besides its memory, as the kernel tells."""

    def __init__(self) -> None:
        self._descriptors = _descriptors()
        self._signals = _signals()

    def found(self) -> str | None:
        """What is there now that a fork would lose or share, in words; None when nothing is."""
        threads = [number for number in os.listdir("/proc/self/task") if number != str(os.getpid())]
        if threads:
            names = ", ".join(sorted({_thread_name(number) for number in threads}))
            count = f"{len(threads)} thread{'s' if len(threads) > 1 else ''}"
            return f"leaves {count} running when it is imported ({names})"
        for number, target in _descriptors().items():
            if self._descriptors.get(number) != target and target not in _HARMLESS:
                return f"leaves {_named(target)} open when it is imported"
        if _signals() != self._signals:
            return "changes how signals are dealt with when it is imported"
        return None


def load(names: "Iterable[str]", left_out: "Iterable[str]" = ()) -> None:
    """Import them; raises Unfit. What can not be imported any more is left to the runs, which say so themselves."""
    census, without = Census(), set(left_out)
    for name in names:
        package = name.partition(".")[0]
        if name in sys.modules or package in without:
            continue
        try:
            __import__(name)
        except (Exception, SystemExit):
            continue
        reason = census.found()
        if reason is not None:
            raise Unfit(package, reason)
    _forget_exits()
    gc.collect()
    gc.freeze()


def _forget_exits() -> None:
    """Runs do at their end what is owed to themselves, not what was to be done once at the end of this process.

    A folder that a package made when it was imported would be gone after the first run.
    """
    import atexit

    atexit._clear()
    weakref = sys.modules.get("weakref")
    if weakref is not None:
        for info in weakref.finalize._registry.values():
            info.atexit = False
        weakref.finalize._registered_with_atexit = False
    for module, function in (("logging", "shutdown"), ("multiprocessing.util", "_exit_function")):
        if module in sys.modules:
            atexit.register(getattr(sys.modules[module], function))


def _thread_name(number: str) -> str:
    try:
        with open(f"/proc/self/task/{number}/comm") as file:
            return file.read().strip()
    except OSError:
        return "gone"


def _descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the listing's own
            continue
    return found


def _named(target: str) -> str:
    kind = target.partition(":")[0]
    return {"socket": "a socket", "pipe": "a pipe", "anon_inode": f"an {target[11:].strip('[]')}"}.get(kind, target)


def _signals() -> list[str]:
    with open("/proc/self/status") as file:
        return [line for line in file if line.startswith(_SIGNALS)]
