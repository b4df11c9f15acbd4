"""A control group for each run with limits, where the agent may make such: the kernel itself holds it to them.

Needs the controllers `memory` and `pids` in the supervisor's own group (`agent.control_group`). Only runs with such
limits get one: moving a process holds up every fork of the machine for some milliseconds. What forks without end is
stopped by the number of its threads, generously, so that the supervisor sees the processes there are, and says so.
"""

from contextlib import suppress

from agent.control_group import ControlGroup
from agent.runners.limits import Limits

CONTROLLERS = ("memory", "pids")
THREADS_OF_EACH, MORE_THREADS = 16, 1024
"""Threads that a run may have for each process it may have, and beside: the kernel counts both alike."""


class RunGroups:
    """The groups of all runs with limits of this supervisor."""

    def __init__(self, whole: ControlGroup | None) -> None:
        self._whole = whole if whole is not None and whole.hand_down(CONTROLLERS) else None
        self._of: dict[str, ControlGroup] = {}
        self._made = 0

    def place(self, run_id: str, pid: int, limits: Limits) -> None:
        """Move the first process of a run into a group with its limits, before it has started any other."""
        if self._whole is None or (limits.memory_bytes is None and limits.processes is None):
            return
        self._made += 1
        group = self._whole.below(f"run-{self._made}")
        try:
            group.make()
            for name, value in settings(limits).items():
                group.set(name, value)
            group.take(pid)
        except OSError:
            # The look at its processes holds it to its limits, too.
            group.remove()
            return
        with suppress(OSError):
            group.set("memory.swap.max", "0")
        self._of[run_id] = group

    def oom_kills(self, run_id: str) -> int:
        """How often the kernel killed for want of memory in the group of a run."""
        group = self._of.get(run_id)
        lines = [] if group is None else group.read("memory.events").decode().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)

    def peak_kb(self, run_id: str) -> int:
        """The most memory that the group of a run had, in KiB; 0 where the kernel does not tell (before Linux 5.19)."""
        group = self._of.get(run_id)
        text = b"" if group is None else group.read("memory.peak").strip()
        return int(text) // 1024 if text.isdigit() else 0

    def end(self, run_id: str) -> None:
        """Remove the group of a run whose processes are all gone."""
        if (group := self._of.pop(run_id, None)) is not None:
            group.remove()


def settings(limits: Limits) -> dict[str, str]:
    """What is written into the files of a group."""
    made: dict[str, str] = {}
    if limits.memory_bytes is not None:
        made |= {"memory.max": str(limits.memory_bytes), "memory.oom.group": "1"}
    if limits.processes is not None:
        made["pids.max"] = str(THREADS_OF_EACH * limits.processes + MORE_THREADS)
    return made
