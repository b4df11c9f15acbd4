"""What a run of chaos shows at its end: what was done how often, how fast it was got over, and what that broke."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

from tests.chaos.checker import Report
from tests.chaos.history import History, Record
from tests.chaos.physical import Peaks
from tests.chaos.scene import surviving

ENOUGH = 20
"""How often a situation has to have occurred to count as covered; a fault of one kind in one state, thirty times."""

ENOUGH_OF_A_CELL = 30
AGENT_KILLS = ("kill agent", "kill keeper", "kill supervisor")


@dataclass(kw_only=True)
class Result:
    """Everything about one run of chaos."""

    seed: int
    seconds: float
    runs: int
    attempts: int
    created: int
    sent_again: int
    cells: Counter[tuple[str, str]]
    kills: Counter[str]
    struck: Counter[str]
    starts: dict[str, int]
    recoveries: dict[str, list[float]]
    quiet_seconds: float
    peaks: Peaks
    report: Report
    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """What could not be done here, and why."""

    @property
    def faults(self) -> int:
        """How many there were."""
        return sum(self.cells.values())

    @property
    def violations(self) -> int:
        """How many promises were broken, and how often."""
        return self.report.violations + len(self.problems)

    def by_kind(self) -> Counter[str]:
        """Faults by kind, whatever state the target was in."""
        counts: Counter[str] = Counter()
        for (kind, _), count in self.cells.items():
            counts[kind] += count
        return counts

    def occurred(self) -> dict[str, int]:
        """All situations with how often they occurred."""
        return {**self.by_kind(), **self.report.occurred()}

    def lines(self) -> Iterator[str]:
        """The table."""
        yield f"seed {self.seed}, {self.seconds:.0f} s"
        yield (
            f"runs {self.runs}, attempts {self.attempts}, created by the client {self.created}, "
            f"calls it sent again {self.sent_again}"
        )
        yield f"faults {self.faults} of {len(self.by_kind())} kinds, kill -9 {sum(self.kills.values())}"
        yield "starts " + ", ".join(f"{name} {count}" for name, count in self.starts.items())
        yield from self._fault_lines()
        yield "\nstruck by the proxy: " + ", ".join(f"{count} {kind}" for kind, count in sorted(self.struck.items()))
        yield "\nfrom the death of an agent until its run was claimed again or had ended (outages of Redis included)"
        yield from (
            f"  {kind:<44} {len(times):>4}   p50 {median(times):.2f} s   p100 {max(times):.2f} s"
            for kind, times in self.recoveries.items()
            if times
        )
        yield f"\n{self.quiet_seconds:.2f} s after the last fault all runs had ended and all agents were at work"
        yield "most processes at one time: " + ", ".join(
            f"{limit} {most} (full {self.peaks.full[limit]} times)" for limit, most in sorted(self.peaks.most.items())
        )
        yield f"\n{self.report.table()}"
        yield from self._shortages()
        yield from (f"\nVIOLATION {problem}" for problem in self.problems)
        yield f"\n{self.violations} violations (seed {self.seed})"

    def _fault_lines(self) -> Iterator[str]:
        states: dict[str, dict[str, int]] = defaultdict(dict)
        for (kind, state), count in sorted(self.cells.items()):
            states[kind][state] = count
        for kind, cells in sorted(states.items()):
            yield f"  {kind:<44} {sum(cells.values()):>4}   " + ", ".join(f"{cells[one]} {one}" for one in cells)

    def _shortages(self) -> Iterator[str]:
        few = [f"{what} ({count})" for what, count in self.occurred().items() if count < ENOUGH]
        thin = [
            f"{kind} × {state} ({count})"
            for (kind, state), count in sorted(self.cells.items())
            if count < ENOUGH_OF_A_CELL
        ]
        yield f"\nnot covered, fewer than {ENOUGH} times: " + (", ".join(few) or "nothing")
        yield f"not covered, fewer than {ENOUGH_OF_A_CELL} times in that state: " + (", ".join(thin) or "nothing")
        yield from (f"SKIPPED: {reason}" for reason in self.skipped)


def recoveries(history: History, offset: float) -> dict[str, list[float]]:
    """How long runs were without an owner after the death of their agent, by kind of death.

    `offset`: what has to be taken from a time of Redis, in seconds, to have CLOCK_MONOTONIC.
    """
    moves: dict[str, list[Record]] = defaultdict(list)
    for record in surviving(history.records):
        if record["kind"] == "move":
            moves[record["run"]].append(record)
    found: dict[str, list[float]] = {}
    for fault in history.of("fault"):
        if fault["what"].startswith(AGENT_KILLS):
            for run in fault["detail"]["held"]:
                found.setdefault(fault["what"], []).extend(_taken_up(moves[run], fault, offset))
    return found


def _taken_up(moves: list[Record], fault: Record, offset: float) -> Iterator[float]:
    for move in moves:
        seconds = move["at"] / 1e6 - offset - fault["mono"]
        if seconds > 0 and move["to"] in ("PENDING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            yield seconds
            return
