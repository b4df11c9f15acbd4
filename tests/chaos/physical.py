"""The limits once more, counted in processes: not what Redis believes, but what was really executed at one time."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.chaos.history import History, Record

SEEN_LATE_SECONDS = 0.15
"""How much later than it happened the end of a killed process may have been seen."""

LOWERED_SECONDS = 1.0
"""Claims that were made before a limit was lowered start so much later at most."""


@dataclass
class Peaks:
    """The most processes at one time under each limit, how often a limit was full, and where one was exceeded."""

    most: Counter[str] = field(default_factory=Counter)
    full: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Numbers:
    """What each limit said over time (monotonic seconds); after a cut it says again what it said before."""

    def __init__(self, history: History, offset: float) -> None:
        self._steps: dict[str, list[tuple[float, int]]] = defaultdict(list)
        standing: dict[str, list[Record]] = defaultdict(list)
        for record in history.records:
            if record["kind"] == "change" and record["field"] == "limit" and record["new"]:
                standing[record["subject"]].append(record)
                self._steps[record["subject"]].append((record["at"] / 1e6 - offset, int(record["new"])))
            elif record["kind"] == "cut":
                self._return_to(standing, record)
        for steps in self._steps.values():
            steps.sort()

    def _return_to(self, standing: dict[str, list[Record]], cut: Record) -> None:
        for limit, changes in standing.items():
            kept = [one for one in changes if number_of(one["id"]) <= number_of(cut["changes"])]
            standing[limit] = kept
            if kept:
                self._steps[limit].append((cut["mono"], int(kept[-1]["new"])))

    def highest(self, limit: str, since: float, until: float) -> int | None:
        """The highest number that was in force in a span; None where there was no limit."""
        steps = self._steps.get(limit)
        if not steps:
            return None
        first = max(bisect_right(steps, (since, 1 << 30)) - 1, 0)
        last = bisect_right(steps, (until, 1 << 30))
        return max(number for _, number in steps[first : max(last, first + 1)])


def number_of(stream_id: str) -> tuple[int, ...]:
    """A stream id that can be compared."""
    return tuple(map(int, stream_id.split("-")))


def peaks(history: History, offset: float) -> Peaks:
    """Count processes under each limit at every start. `offset`: time of Redis minus CLOCK_MONOTONIC, in seconds."""
    numbers, found = Numbers(history, offset), Peaks()
    limits = {move["run"]: move["held"] for move in history.of("move") if move["held"]}
    late = {"stop": 0.0, "gone": SEEN_LATE_SECONDS}
    ends = {key(one): one["mono"] - late[one["what"]] for one in history.of("flow") if one["what"] in late}
    living: dict[str, dict[tuple[str, int, int], float]] = defaultdict(dict)
    starts = sorted((one for one in history.of("flow") if one["what"] == "start"), key=lambda one: float(one["mono"]))
    for start in starts:
        for limit in limits.get(start["run"], []):
            there = living[limit]
            for gone in [one for one in there if ends.get(one, 1e18) <= start["mono"]]:
                del there[gone]
            there[key(start)] = start["mono"]
            most = numbers.highest(limit, min(there.values()) - LOWERED_SECONDS, start["mono"])
            judge(found, limit, len(there), most, start["mono"] + offset)
    return found


def judge(found: Peaks, limit: str, count: int, most: int | None, at: float) -> None:
    """Note how many processes there were under a limit when one more started."""
    if most is None:
        return
    found.most[limit] = max(found.most[limit], count)
    found.full[limit] += count == most
    if count > most:
        when = datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")
        found.violations.append(f"{count} processes ran under {limit} of {most} at {when}")


def key(flow: Record) -> tuple[str, int, int]:
    """What tells one process of one attempt from all others."""
    return flow["run"], flow["attempt"], flow["pid"]
