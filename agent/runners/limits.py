"""What a run may use of its machine, and the sentence when it used more; pure.

The processes of a run are looked at four times a second. What is too fast for that is stopped by limits of the kernel
(`agent.runners.limiting`), which a flow meets as an error of its own: the end it comes to is told as what it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.runners.outcome import Exit, Result
from orchestrator.flow_runners import limits_problem
from queues.states import State

LOOK_SECONDS = 0.25
"""How often the processes of a run with limits are looked at."""

SHARE = 0.05
"""Of the loop's time that looking at one run may take: what takes long is done less often."""

MIB = 1 << 20
SIGXCPU = 24
MEMORY, CPU, PROCESSES, FILES = "memory_bytes", "cpu_seconds", "processes", "open_files"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The limits of one run; None is no limit."""

    memory_bytes: int | None = None
    cpu_seconds: float | None = None
    processes: int | None = None
    open_files: int | None = None
    nice: int | None = None

    @property
    def are_watched(self) -> bool:
        """Whether the run's processes have to be looked at while it runs."""
        return (self.memory_bytes, self.cpu_seconds, self.processes) != (None, None, None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """What the processes of a run use together, at one moment or at most."""

    memory_bytes: int = 0
    cpu_seconds: float = 0.0
    processes: int = 0

    def most(self, other: "Use") -> "Use":
        """The larger of both, by each of them."""
        return Use(
            memory_bytes=max(self.memory_bytes, other.memory_bytes),
            cpu_seconds=max(self.cpu_seconds, other.cpu_seconds),
            processes=max(self.processes, other.processes),
        )


def limits_of(spec: Mapping[str, Any]) -> Limits:
    """The limits that a deployment's spec records; raises ValueError for what can be none."""
    given = spec.get("limits") or {}
    problem = limits_problem(given)
    if problem is not None:
        raise ValueError(problem[1])
    return Limits(**given)


def over(limits: Limits, use: Use) -> str | None:
    """The limit that a run is over, None when there is none."""
    for name in (MEMORY, PROCESSES, CPU):
        allowed = getattr(limits, name)
        if allowed is not None and getattr(use, name) > allowed:
            return name
    return None


def pause(took: float) -> float:
    """Seconds until the processes are looked at again."""
    return max(LOOK_SECONDS, took / SHARE)


def limit_met(limits: Limits, end: Exit, result: Result | None) -> str | None:
    """The limit that the kernel held a flow to, as far as the end of the flow tells; None when none."""
    said = result.message if result is not None and result.state != State.COMPLETED else ""
    if limits.memory_bytes is not None:
        full = said.startswith("MemoryError") or "Cannot allocate memory" in said or "can't start new thread" in said
        if full or (result is None and end.oom_kills):
            return MEMORY
    if limits.open_files is not None and "[Errno 24]" in said:
        return FILES
    if limits.cpu_seconds is not None and result is None and spent(limits.cpu_seconds, end):
        return CPU
    return None


def spent(allowed: float, end: Exit) -> bool:
    """Whether a process was killed by the kernel for its CPU time."""
    return end.signal == SIGXCPU or (end.signal == 9 and end.cpu_seconds >= allowed)


def reason(name: str, limits: Limits, peak: Use) -> str:
    """Which limit it was, the most that was used, and what to do."""
    if name == MEMORY:
        allowed, used = size(limits.memory_bytes or 0), size(peak.memory_bytes)
        # What was refused was never used: the peak stays below the limit then.
        asked = ", and asked for more" if peak.memory_bytes <= (limits.memory_bytes or 0) else ""
        return f"over its memory limit of {allowed} (peak {used}{asked}): raise limits.memory, or use less at once"
    if name == CPU:
        allowed = f"{limits.cpu_seconds:g} s"
        return f"over its CPU limit of {allowed} (used {peak.cpu_seconds:.1f} s): raise limits.cpu_seconds"
    if name == PROCESSES:
        return f"over its limit of {limits.processes} processes at once (peak {peak.processes}): raise limits.processes"
    text = f"over its limit of {limits.open_files} open files in one process"
    return f"{text}: raise limits.open_files, or close files earlier"


def size(number: int) -> str:
    """Bytes as people say them; a limit as it was written."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", MIB)):
        if number >= factor and number % factor == 0:
            return f"{number // factor} {unit}"
    return f"{number / (1 << 30):.2f} GiB" if number >= 10 << 30 else f"{number / MIB:.0f} MiB"
