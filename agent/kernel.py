"""Kernel calls that the os module lacks: who adopts orphans, what a parent's death sends, a timer that kills."""

import ctypes
import os
import signal
import time

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
TIMER_ABSTIME = 1
SIGEV_SIGNAL = 0

_libc = ctypes.CDLL(None, use_errno=True)


def boot_time() -> float:
    """Seconds since the machine booted, time asleep included: a suspended host has not stopped the leases."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def adopt_orphans() -> None:
    """Make this process the new parent of every orphan among its descendants; raises OSError."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Keep flows of the same user from reading this process's memory and environment, where Redis's password stands."""
    _prctl(PR_SET_DUMPABLE, 0)


def signal_at_death_of_parent(number: int) -> None:
    """Ask for a signal when the thread that started this process ends; raises OSError."""
    _prctl(PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}, {value})")


class _SignalEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("number", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_int * 12),
    )


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerTimes(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


class DeadManTimer:
    """A timer of the kernel that kills this process with SIGKILL, even while it is stopped, unless set anew in time."""

    def __init__(self) -> None:
        self._timer = ctypes.c_void_p()
        event = _SignalEvent(None, signal.SIGKILL, SIGEV_SIGNAL)
        if _libc.timer_create(time.CLOCK_BOOTTIME, ctypes.byref(event), ctypes.byref(self._timer)):
            raise OSError(ctypes.get_errno(), "timer_create")

    def set(self, at: float) -> None:
        """Kill at this moment of `boot_time`; a moment that has passed kills now."""
        # Zero would disarm the timer: a moment before the boot still means "now".
        self._settime(max(at, 0.001))

    def disarm(self) -> None:
        """Kill at no time."""
        self._settime(0.0)

    def _settime(self, at: float) -> None:
        whole = int(at)
        times = _TimerTimes(_Time(0, 0), _Time(whole, int((at - whole) * 1e9)))
        if _libc.timer_settime(self._timer, TIMER_ABSTIME, ctypes.byref(times), None):
            raise OSError(ctypes.get_errno(), "timer_settime")


def own_children() -> list[int]:
    """The direct children that this process's first thread started, and all that the process adopted.

    The kernel gives orphans to the first living thread of whoever adopts them (`find_new_reaper` in its exit.c), and
    no other thread of an agent starts a process.
    """
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
            return list(map(int, file.read().split()))
    except OSError:
        return []


def children_of(pid: int | str) -> list[int]:
    """The direct children of a process over all its threads; empty when it is gone or may not be looked at."""
    found: list[int] = []
    try:
        threads = [entry.path for entry in os.scandir(f"/proc/{pid}/task")]
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except OSError:
            continue
    return found
