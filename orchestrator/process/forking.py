"""Forks whose parent is the supervisor: it waits for them, and asks the kernel about them, as for runs it started.

A fork of one's own would be a child of this process: the supervisor could neither wait for it nor know how it ended
and what it used, and its number might be another process's by the time it is told. So the kernel is asked for a child
of *our* parent (CLONE_PARENT), in one call where the C library can be left out of it: one thread, glibc (whose note of
the thread's number the kernel renews, as it does in its own fork), x86_64 or aarch64. Elsewhere a fork forks once more
and ends, so that the supervisor adopts the second one; that costs a second copy of the page tables.
"""

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_PARENT, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x8000, 0x200000, 0x1000000
SIGCHLD = 17
PR_GET_TID_ADDRESS = 40
# clone, set_robust_list, get_robust_list; aarch64 takes the thread's own memory before the address of its number.
_CALLS = {"x86_64": (56, 273, 274), "aarch64": (220, 99, 100)}

_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def way() -> "Callable[[], int]":
    """How this process forks: a function that answers 0 in the new process, another number in this one; OSError."""
    calls, address = _CALLS.get(os.uname().machine), _address_of_number()
    if calls is None or address is None:
        return fork_twice
    return _Sibling(calls, address).fork


def fork_twice() -> int:
    """A fork whose parent ends at once: its new one is the nearest process that adopts orphans."""
    middle = os.fork()
    if middle:
        if os.waitpid(middle, 0)[1]:
            raise OSError("can not fork")
        return middle
    parent = os.getpid()
    try:
        last = os.fork()
    except OSError:
        os._exit(1)
    if last:
        os._exit(0)
    while os.getppid() == parent:
        os.sched_yield()
    return 0


def _address_of_number() -> ctypes.c_void_p | None:
    """Where glibc keeps the number of this thread; None where that is not known."""
    try:
        glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):
        return None
    address = ctypes.c_void_p()
    if not glibc or _libc.prctl(PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0) or not address.value:
        return None
    return address if ctypes.c_int.from_address(address.value).value == os.getpid() else None


class _Sibling:
    """The one call, with what Python and glibc do around a fork of their own."""

    def __init__(self, calls: tuple[int, int, int], address: ctypes.c_void_p) -> None:
        self._clone, self._set_robust, get_robust = map(ctypes.c_long, calls)
        flags = ctypes.c_ulong(CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)
        none = ctypes.c_void_p(0)
        last = (address, none) if os.uname().machine == "x86_64" else (none, address)
        self._arguments = (flags, none, none, *last)
        self._robust, self._robust_size = ctypes.c_void_p(), ctypes.c_size_t()
        robust = ctypes.byref(self._robust), ctypes.byref(self._robust_size)
        _libc.syscall(get_robust, ctypes.c_long(0), *robust)
        for name in ("PyOS_BeforeFork", "PyOS_AfterFork_Parent", "PyOS_AfterFork_Child"):
            getattr(ctypes.pythonapi, name).restype = None

    def fork(self) -> int:
        python = ctypes.pythonapi
        python.PyOS_BeforeFork()
        pid = int(_libc.syscall(self._clone, *self._arguments))
        if pid == 0:
            _libc.syscall(self._set_robust, self._robust, self._robust_size)
            python.PyOS_AfterFork_Child()
            return 0
        error = ctypes.get_errno()
        python.PyOS_AfterFork_Parent()
        if pid < 0:
            raise OSError(error, os.strerror(error))
        return pid
