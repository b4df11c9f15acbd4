"""Judges a history: each promise about runs, slots, tokens, instants and lines, and how often it was at stake. Pure.

A promise that was never at stake is printed as "not covered": a zero of a checker that saw no lease expire says nothing
about expiry. Every judgement is linear in the history, since all that is written carries ids that are used once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.chaos import checker_owners as owners
from tests.chaos import checker_runs as runs
from tests.chaos.checker_facts import Facts
from tests.chaos.history import History

SHOWN = 5
"""Violations of one promise that a table shows."""

PROMISES = {
    "I0": ("a call has one effect, however often it is sent", runs.one_effect),
    "I1": ("no acknowledged run is lost; each stands in one place", runs.nothing_lost),
    "I2": ("no limit has more holders than its number", owners.caps),
    "I3": ("one owner at a time; an old token changes nothing", owners.one_owner),
    "I4": ("one run or one recorded skip per instant", runs.instants),
    "I5": ("when faults end, nothing stays stuck", runs.nothing_stuck),
    "I6": ("lines of an attempt: in order, each once, no gap", runs.lines),
    "I7": ("only legal moves; an end is final", runs.legal_moves),
    "I8": ("no process outlives its slot", owners.no_process_left),
    "I9": ("a cancel that was accepted ends CANCELLED", runs.cancels),
    "I10": ("losses and retries are bounded", runs.bounded_tries),
    "I15": ("first come, first served within a queue", owners.in_line),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One promise: what broke it, and how often it was at stake; the first number of `occurred` decides about that."""

    name: str
    promise: str
    violations: list[str]
    occurred: Mapping[str, int]
    notes: list[str] = field(default_factory=list)

    @property
    def covered(self) -> bool:
        """Whether the situation occurred that could have broken the promise."""
        return next(iter(self.occurred.values()), 0) > 0

    def verdict(self) -> str:
        """The word for the table."""
        if self.violations:
            return f"{len(self.violations)} VIOLATIONS"
        return "0" if self.covered else "not covered"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a history says about every promise."""

    rows: Mapping[str, Row]

    @property
    def violations(self) -> int:
        """Count all."""
        return sum(len(row.violations) for row in self.rows.values())

    def broken(self) -> list[str]:
        """The names of the promises that were broken."""
        return [name for name, row in self.rows.items() if row.violations]

    def occurred(self) -> dict[str, int]:
        """All that was counted, over all promises."""
        return {what: count for row in self.rows.values() for what, count in row.occurred.items()}

    def table(self) -> str:
        """One line per promise, then what broke it."""
        lines = []
        for name, row in self.rows.items():
            seen = ", ".join(f"{count} {what}" for what, count in row.occurred.items())
            lines.append(f"{name:<4} {row.promise:<58} {row.verdict():<14} {seen}")
            more = [f"… and {len(row.violations) - SHOWN} more"] if len(row.violations) > SHOWN else []
            lines += [f"       {sentence}" for sentence in [*row.violations[:SHOWN], *more]]
            lines += [f"       note: {sentence}" for sentence in row.notes[:SHOWN]]
        return "\n".join(lines)


def check(history: History) -> Report:
    """Judge every promise."""
    facts = Facts(history)
    rows = {}
    for name, (promise, judge) in PROMISES.items():
        found = judge(facts)
        rows[name] = Row(
            name=name, promise=promise, violations=found.violations, occurred=found.occurred, notes=found.notes
        )
    return Report(rows=rows)
