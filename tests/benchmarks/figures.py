"""A measured figure beside its target, and the table of them."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table. `at_most` or `at_least` is the target; a figure with neither is there to compare with."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    def cells(self) -> tuple[str, str, str, str, str]:
        """What the table shows: name, value with unit, target, verdict, note."""
        target = ""
        if self.at_most is not None:
            target = f"≤ {shown(self.at_most)} {self.unit}"
        if self.at_least is not None:
            target = f"≥ {shown(self.at_least)} {self.unit}"
        verdict = {True: "met", False: "NOT MET", None: ""}[self.met]
        return self.name, f"{shown(self.value)} {self.unit}", target, verdict, self.note


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
    head = ("what", "value", "target", "", "note")
    rows = [figure.cells() for figure in figures]
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in (head, ("---", "--:", "--:", "---", "---"), *rows)]
        return "\n".join(lines)
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    right = (False, True, True, False, False)
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
