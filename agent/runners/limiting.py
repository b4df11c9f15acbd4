"""Gives a process the limits of its run before any code of the flow is loaded; what it starts inherits them.

Of the memory the kernel limits what a process may write to (RLIMIT_DATA), with room for the stacks of its threads, so
that it stops what takes memory faster than it is looked at. Whoever may raise limits again, root, is held by the look.
"""

import os
import resource
from contextlib import suppress

from agent.runners.limits import Limits

ROOM_BYTES = 256 << 20
"""What a process may reserve beyond its limit: 32 stacks of 8 MiB that are hardly ever used."""

CPU_ROOM_SECONDS = 1
LAST_SECONDS = 5
"""Between SIGXCPU, which can be caught, and SIGKILL."""


def apply(pid: int, limits: Limits) -> None:
    """Set them on a process that is just starting; one that is gone is left alone."""
    # Gone already, or it runs as another user.
    with suppress(ProcessLookupError, PermissionError):
        if limits.memory_bytes is not None:
            room = max(ROOM_BYTES, limits.memory_bytes // 4)
            lower(pid, resource.RLIMIT_DATA, limits.memory_bytes + room)
        if limits.cpu_seconds is not None:
            soft = int(limits.cpu_seconds) + CPU_ROOM_SECONDS
            lower(pid, resource.RLIMIT_CPU, soft, soft + LAST_SECONDS)
        if limits.open_files is not None:
            lower(pid, resource.RLIMIT_NOFILE, limits.open_files)
        if limits.nice is not None:
            # Nobody may put a flow before its agent.
            os.setpriority(os.PRIO_PROCESS, pid, max(limits.nice, os.getpriority(os.PRIO_PROCESS, 0)))


def lower(pid: int, which: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, as far as the machine allows that much."""
    _, most = resource.prlimit(pid, which)
    hard = soft if hard is None else hard
    if most != resource.RLIM_INFINITY:
        hard = min(hard, most)
    resource.prlimit(pid, which, (min(soft, hard), hard))
