"""What processes use: memory, CPU time and their number, as the kernel tells."""

import os
import resource
from collections.abc import Iterable

from agent.runners.limits import Use

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
TIMES, RESIDENT = slice(11, 15), 21
"""Places in /proc/<pid>/stat after the name: own time and that of children waited for; pages."""

INEXACT = 1.125
"""The kernel counts pages in batches: by how much two of its peaks of the same memory may differ."""


def use_of(pids: Iterable[int], *, most_bytes: int | None = None) -> Use:
    """What these processes use together.

    Memory that several of them share counts once: looked at closely, which takes longer, only when what they have
    together is more than `most_bytes`.
    """
    pages = ticks = count = 0
    there: list[int] = []
    for pid in pids:
        fields = _stat(pid)
        if fields is None:
            continue
        there.append(pid)
        count += 1
        pages += int(fields[RESIDENT])
        ticks += sum(map(int, fields[TIMES]))
    memory = pages * PAGE
    if most_bytes is not None and memory > most_bytes and count > 1:
        memory = sum(map(own_share, there))
    return Use(memory_bytes=memory, cpu_seconds=ticks / TICKS, processes=count)


def memory_bytes() -> int:
    """The memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * PAGE


def own_peak(told_kb: int, seen_kb: int) -> int:
    """The most memory that a run's process had, in KiB.

    A process that is started carries the peak of the one that started it, until it has more itself: where the kernel
    tells hardly more than that, what was seen of it shortly before its end is nearer.
    """
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seen_kb if seen_kb and told_kb <= inherited * INEXACT else told_kb


def own_share(pid: int) -> int:
    """The memory of a process in bytes, what it shares divided among those who share it."""
    share = _kib(f"/proc/{pid}/smaps_rollup", b"Pss:")
    if share is not None:
        return share * 1024
    # A process may hide its pages, not how many they are.
    fields = _stat(pid)
    return 0 if fields is None else int(fields[RESIDENT]) * PAGE


def peak_kb(pid: int) -> int:
    """The most memory that a living process had resident, in KiB; 0 when it is gone."""
    return _kib(f"/proc/{pid}/status", b"VmHWM:") or 0


def _kib(path: str, name: bytes) -> int | None:
    try:
        with open(path, "rb") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(name)), None)
    except OSError:
        return None


def _stat(pid: int) -> list[bytes] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if not fields or fields[0] in (b"Z", b"X") else fields
