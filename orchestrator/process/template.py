"""The process that warm runs are forked from: it imports what they need, then forks one for every order.

Started as a flow's process is, with the variables of a run. It says `hello`, is told what to import, says `ready` (or
`unfit`, and ends), and from then on takes orders: the id of a run, and with it the descriptors of its process. The fork
says `hello` over a socket of its own; from there on it is what `orchestrator.process.child` is.

It never has a second thread, imports nothing of the user's, and answers `stale` when what it imported has changed on
the disk since.
"""

import gc
import os
import sys

from orchestrator.process import child, life_pipe
from orchestrator.process.link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

RUN_VARIABLE = "HEADGATE_RUN_ID"
PLACEHOLDER = "-" * 36
"""What stands there until a fork knows its run: as long as a run's id."""

_LONGEST_ORDER, _ORDER_BYTES, _NUMBER = 512, 4, 4
ENV_START, ENV_END = 47, 48
"""Places in /proc/self/stat after the name: where in memory the variables lie that the kernel shows of a process."""


def main(fd: int, life: int) -> None:
    """The whole life of a template; never returns."""
    link = Link(fd)
    child.greet(link)
    life_pipe.hold(life)
    from orchestrator.process import execution, output

    assert execution
    as_cold = frozenset(sys.modules)
    output.redirect(link)
    told = link.receive()
    if told is None or told[0] != "preload":
        os._exit(0)
    gc.disable()
    _Template(link, life, as_cold, _preloaded(link, told[1])).serve()


def _preloaded(link: Link, told: "dict[str, Any]") -> "Callable[[], None]":
    """Import what was asked for; what a fork does first comes back. A process that can not be forked ends here."""
    from orchestrator.process import preload, thread_pools

    with thread_pools.OneThread():
        try:
            preload.load(told["names"], told["left_out"])
        except preload.Unfit as unfit:
            link.send("unfit", {"package": unfit.package, "reason": unfit.reason})
            os._exit(0)
    pools = thread_pools.to_restore()
    return lambda: thread_pools.restore(pools)


class _Template:
    """Takes orders until nobody can give any more."""

    def __init__(self, link: Link, life: int, as_cold: frozenset[str], restore: "Callable[[], None]") -> None:
        from orchestrator.process import ending, forking

        ending.find_fflush()
        self._link = link
        self._life = life
        self._added = frozenset(name for name in sys.modules if name not in as_cold)
        self._packages = frozenset(name.partition(".")[0] for name in self._added) - {"orchestrator", "__main__"}
        self._restore = restore
        self._fork = forking.way()
        self._mark = _Mark()
        self._stamps = _stamps()

    def serve(self) -> None:
        import _socket

        orders = _socket.socket(fileno=self._link.fd)
        self._link.send("ready", {"modules": len(sys.modules)})
        while True:
            data, control, _, _ = orders.recvmsg(_LONGEST_ORDER, _socket.CMSG_SPACE(_ORDER_BYTES * _NUMBER))
            if not data:
                os._exit(0)
            descriptors = [
                int.from_bytes(raw[at : at + _NUMBER], sys.byteorder)
                for _, _, raw in control
                for at in range(0, len(raw), _NUMBER)
            ]
            if self._forked(data.decode(), descriptors):
                orders.detach()
                self._become(data.decode(), descriptors)
            for number in descriptors:
                os.close(number)

    def _forked(self, run_id: str, descriptors: list[int]) -> bool:
        """Whether this is the new process."""
        if len(descriptors) != _ORDER_BYTES:
            return False
        if _stamps() != self._stamps:
            self._link.send("stale", {"run_id": run_id})
            return False
        sys.stdout.flush(), sys.stderr.flush()
        try:
            return self._fork() == 0
        except OSError as error:
            self._link.send("refused", {"run_id": run_id, "reason": str(error.strerror)})
            return False

    def _become(self, run_id: str, descriptors: list[int]) -> None:
        """Be the process of a run, from its greeting to its end."""
        os.setsid()
        for source, target in zip(descriptors, (1, 2, self._link.fd, self._life), strict=True):
            os.dup2(source, target, inheritable=target < self._link.fd)
            os.close(source)
        # It closed itself in the fork: it was the template's.
        self._link.open = True
        child.greet(self._link)
        life_pipe.hold(self._life)
        self._mark.put(run_id)
        self._restore()
        _reseed()
        gc.enable()
        from orchestrator.process import execution

        start = child.await_go(self._link)
        self._yield_names(str(start["folder"]))
        self._link.send("result", execution.outcome(self._link, start))
        os._exit(0)

    def _yield_names(self, folder: str) -> None:
        """Let the user's own files have the names of modules that a cold run would not have loaded by now.

        They come first on sys.path.
        """
        taken = _modules_in(folder, self._packages)
        if not taken:
            return
        from orchestrator.sdk import stdlib

        for name in [name for name in self._added if name.partition(".")[0] in taken]:
            module = sys.modules.pop(name)
            if stdlib.is_standard(getattr(module, "__file__", None)):
                stdlib._apart[name] = module


class _Mark:
    """The run's id where the kernel shows the variables of a process: whoever looks for its processes finds a fork."""

    def __init__(self) -> None:
        import ctypes

        self._move = ctypes.memmove
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[ENV_START]), int(fields[ENV_END])
        at = ctypes.string_at(start, end - start).find(f"{RUN_VARIABLE}={PLACEHOLDER}".encode()) if start else -1
        self._at = start + at + len(RUN_VARIABLE) + 1 if at >= 0 else None

    def put(self, run_id: str) -> None:
        os.environ[RUN_VARIABLE] = run_id
        raw = run_id.encode()
        if self._at is not None and len(raw) <= len(PLACEHOLDER):
            self._move(self._at, raw.ljust(len(PLACEHOLDER), b"\0"), len(PLACEHOLDER))


def _stamps() -> list[tuple[int, int]]:
    """What changes when the interpreter or what is installed for it does."""
    found = []
    for path in (sys.executable, f"{sys.prefix}/pyvenv.cfg", *sys.path):
        try:
            known = os.stat(path)
        except OSError:
            continue
        found.append((known.st_ino, known.st_mtime_ns))
    return found


def _reseed() -> None:
    """Numbers by chance differ from fork to fork; Python's own generator has been seeded anew by then."""
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()


def _modules_in(folder: str, names: frozenset[str]) -> "list[str]":
    """Which of these names a file or a package in a folder has."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return []
    found = []
    for entry in entries:
        name, dot, _ = entry.partition(".")
        if name in names and (
            entry.endswith((".py", ".so")) or (not dot and os.path.exists(f"{folder}/{entry}/__init__.py"))
        ):
            found.append(name)
    return found
