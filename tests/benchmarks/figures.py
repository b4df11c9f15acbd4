"""A measured figure beside its target, and the table of them."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

OURS, LIMIT, RQ = "Headgate", "physical limit", "stock rq"
"""Whose figure it is, for the picture."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table. `at_most` or `at_least` is the target; a figure with neither is there to compare with.

    `low` and `high` are the lowest and the highest repetition; `whose` puts the figure into the picture.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""
    whose: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    def cells(self) -> tuple[str, str, str, str, str, str]:
        """What the table shows: name, value with unit, spread, target, verdict, note."""
        spread = "" if self.low is None or self.high is None else f"{shown(self.low)} … {shown(self.high)}"
        target = ""
        if self.at_most is not None:
            target = f"≤ {shown(self.at_most)} {self.unit}".strip()
        if self.at_least is not None:
            target = f"≥ {shown(self.at_least)} {self.unit}".strip()
        verdict = {True: "met", False: "NOT MET", None: ""}[self.met]
        return self.name, f"{shown(self.value)} {self.unit}".strip(), spread, target, verdict, self.note


def median(name: str, values: Sequence[float], unit: str, **more: Any) -> Figure:
    """The figure of several repetitions: their median, the lowest and the highest."""
    return Figure(name=name, value=statistics.median(values), unit=unit, low=min(values), high=max(values), **more)


def ratio(name: str, parts: Sequence[float], wholes: Sequence[float], **more: Any) -> Figure:
    """One measurement as a share of another: the median of the turns, in each of which both were taken."""
    return median(name, [part / whole for part, whole in zip(parts, wholes, strict=True)], "", **more)


def shown(value: float) -> str:
    """A number with as many digits as a reader can use."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share (0 to 1) of the values lies, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(figures: Sequence[Figure], *, markdown: bool = False) -> str:
    """All figures as one table, aligned for a terminal or as Markdown."""
    head = ("what", "value", "spread", "target", "", "note")
    rows = [figure.cells() for figure in figures]
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in (head, ("---", "--:", "--:", "--:", "---", "---"), *rows)]
        return "\n".join(lines)
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    right = (False, True, True, True, False, False)
    return "\n".join(_aligned(row, widths, right) for row in (head, *rows))


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
    return "  ".join(cells).rstrip()


def machine() -> str:
    """What the figures were taken on and how busy it was at the start, in one line without the machine's name."""
    cores, (load, *_) = os.cpu_count(), os.getloadavg()
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {cores} cores, load {load:.1f}"
    )
