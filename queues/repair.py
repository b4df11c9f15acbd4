"""Repair: one pass that compares records with places and with what rq tools see, and sets right what differs.

The record of a run is the truth. Our own scripts keep every place in step with it; stock rq tools, a hand with
redis-cli or a lost tail of the log may not. Each pass looks at the counts of all queues; where they differ it walks the
runs concerned at once, within a time budget. Beside that it walks slowly through everything, some keys per pass, and so
finds what no count shows. Every thing set right is counted by kind, in the answer and in the counters of the
installation: a healthy system repairs nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import redis

from queues.clock import seconds_to_us
from queues.errors import ScriptFailed, WrongKeyType
from queues.key_types import keys_in_play, suspects, wrong_keys
from queues.scripts import Scripts
from queues.states import HELD, State

SLICE = 200
"""Runs that one script mends, and list entries compared by content per pass."""
SCANNED = 300
"""Keys that the slow walk looks at per pass."""
BUDGET_SECONDS = 0.25
"""How long a pass goes on walking when counts differ."""
FORGET_AGENTS_SECONDS = 3600.0
WALKED = ("waiting:", "parked:", "holders:", "agentruns:", "group:", "runs:", "leases", "delayed")


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What a pass set right, by kind; `wrong` are keys of another type than ours, whose queues are left alone.

    `more`: the time did not suffice for all that differs; call again at once.
    """

    counts: Mapping[str, int]
    wrong: tuple[WrongKeyType, ...]
    more: bool

    @property
    def count(self) -> int:
        """Count all that was set right."""
        return sum(self.counts.values())


@dataclass
class _Walk:
    """A walk over all runs behind a difference, which may take several passes."""

    steps: Iterator[None]
    mended: int = 0


class Repair:
    """Repairs one installation; `repair_once` is one pass, meant to be called every second by one process."""

    def __init__(
        self, scripts: Scripts, *, lease_seconds: float = 30.0, budget_seconds: float = BUDGET_SECONDS
    ) -> None:
        self._scripts = scripts
        self._lease_us = seconds_to_us(lease_seconds)
        self._budget = budget_seconds
        self._cursor = 0
        self._ranks: dict[str, int] = {}
        self._compared: Iterator[tuple[str, int]] = iter(())
        self._walks: dict[str, _Walk] = {}
        self._unreadable = False
        self._accepted: dict[str, Any] = {}
        self._counts: Counter[str] = Counter()
        self._wrong: dict[str, WrongKeyType] = {}

    def repair_once(self) -> Repaired:
        """Do one pass: what rq tools damaged is right again after it, all else soon; a key of a wrong type is named."""
        self._counts, self._wrong = Counter(), {}
        deadline = time.monotonic() + self._budget
        reply = self._scripts.call(
            "repair", compare=self._next_compare(), slice=SLICE, forget_us=seconds_to_us(FORGET_AGENTS_SECONDS)
        )
        self._counts.update(dict(reply["counts"] or {}))
        self._mend(list(reply["touched"]))
        if reply["damaged"]:
            self._find_wrong_keys(reply["damaged"])
        differing = dict(reply["suspects"] or {})
        if self._counts["mirrors"] or "jobs" in self._walks:
            differing["jobs"] = None
        if self._unreadable:
            # A record that is no hash was met: its id leaves every line, or it would block all behind it.
            differing |= dict.fromkeys(("queued", "delayed", "held"))
            self._unreadable = False
        self._follow(differing, deadline)
        self._walk_slowly()
        return Repaired(counts=dict(+self._counts), wrong=tuple(self._wrong.values()), more=bool(self._walks))

    # -------------------------------------------------------------- where counts differ
    def _follow(self, differing: dict[str, Any], deadline: float) -> None:
        """Walk the runs behind differing counts; a difference that a whole walk did not change is not walked again."""
        self._accepted = {kind: seen for kind, seen in self._accepted.items() if kind in differing}
        self._walks = {kind: walk for kind, walk in self._walks.items() if kind in differing}
        for kind, numbers in differing.items():
            if kind in self._accepted and self._accepted[kind] == numbers:
                continue
            walk = self._walks.setdefault(kind, _Walk(self._steps(self._places(kind))))
            before = self._counts.total()
            finished = all(time.monotonic() < deadline for _ in walk.steps)
            walk.mended += self._counts.total() - before
            if not finished:
                return
            del self._walks[kind]
            if not walk.mended and kind != "jobs":
                self._accepted[kind] = numbers

    def _places(self, kind: str) -> list[str]:
        keys = self._scripts.keys
        if kind == "jobs":
            return [f"runs:{State.QUEUED}"]
        if kind == "delayed":
            return [f"runs:{State.SCHEDULED}", "delayed"]
        queues = self._members(keys.queues)
        if kind == "held":
            return [*(f"runs:{state}" for state in sorted(HELD)), "leases", *(f"holders:queue:{q}" for q in queues)]
        lines = self._lines(queues)
        parked = [f"parked:{limit}|{line}" for line in lines for limit in self._members(keys.parked_limits(line))]
        return [f"runs:{State.QUEUED}", *(f"waiting:{line}" for line in lines), *parked]

    def _steps(self, places: Iterable[str]) -> Iterator[None]:
        """Mend every run of some places, one slice per step."""
        for place in places:
            start = 0
            while found := self._read(place, start):
                self._mend(found, place)
                start += SLICE
                yield

    # -------------------------------------------------------------- everything, slowly
    def _walk_slowly(self) -> None:
        """Look at the next keys of the database; records are mended, and of each place a slice."""
        prefix = f"{self._scripts.prefix}:"
        pattern = prefix.replace("[", "\\[") + "*"
        self._cursor, found = self._scripts.ask(lambda client: client.scan(self._cursor, pattern, SCANNED))
        names = [key.decode("utf-8", "replace").removeprefix(prefix) for key in found]
        self._mend([name.removeprefix("run:") for name in names if name.startswith("run:")])
        for name in names:
            if name.startswith(WALKED) and (not name.startswith("parked:") or "|" in name):
                self._slice(name)

    def _slice(self, place: str) -> None:
        """Mend the next slice of a place; large ones are gone through over several rounds."""
        start = self._ranks.pop(place, 0)
        found = self._read(place, start)
        self._mend(found, place)
        if len(found) == SLICE:
            self._ranks[place] = start + SLICE

    def _read(self, place: str, start: int) -> list[str]:
        key = f"{self._scripts.prefix}:{place}"
        try:
            if place.startswith("agentruns:"):
                return self._members(key) if start == 0 else []
            found = self._scripts.ask(lambda client: client.zrange(key, start, start + SLICE - 1))
        except ScriptFailed:
            self._note_types([key])
            return []
        return [run.decode("utf-8", "replace") for run in found]

    def _mend(self, runs: list[str], place: str | None = None) -> None:
        for at in range(0, len(runs), SLICE):
            part = runs[at : at + SLICE]
            reply = self._scripts.call("mend", runs=part, place=place, lease_us=self._lease_us)
            self._counts.update(dict(reply["counts"] or {}))
            if reply["damaged"]:
                self._note_types(keys_in_play(self._scripts.keys, runs=reply["damaged"]))
                self._unreadable = self._unreadable or place is None

    def _next_compare(self) -> dict[str, int]:
        """Whose mirror is compared by content in this pass, and from where: a slice of each line in turn."""
        for line, rank in self._compared:
            return {line: rank}
        self._compared = self._all_slices()
        return dict([next(self._compared, ("default", 0))])

    def _all_slices(self) -> Iterator[tuple[str, int]]:
        keys = self._scripts.keys
        for line in self._lines(self._members(keys.queues)):
            key = keys.waiting(line)
            try:
                length = self._length(key)
            except ScriptFailed:
                continue
            for rank in range(0, length, SLICE):
                yield line, rank

    def _lines(self, queues: Iterable[str]) -> list[str]:
        """All lines of these queues: their own, and those of runs that require labels."""
        keys = self._scripts.keys
        return [line for queue in queues for line in (queue, *self._members(keys.lines(queue)))]

    # -------------------------------------------------------------- keys of a wrong type
    def _find_wrong_keys(self, damaged: list[str]) -> None:
        queues = [queue for queue in damaged if queue] or self._members(self._scripts.keys.queues)
        self._note_types(self._scripts.ask(lambda client: suspects(client, self._scripts.keys, {"queues": queues})))

    def _note_types(self, keys: list[str]) -> None:
        found = self._scripts.ask(lambda client: wrong_keys(client, self._scripts.prefix, keys))
        self._wrong.update({wrong.key: wrong for wrong in found})

    def _length(self, key: str) -> int:
        return int(self._scripts.ask(lambda client: client.zcard(key)))

    def _members(self, key: str) -> list[str]:
        def read(client: redis.Redis) -> Any:
            return client.smembers(key)

        return sorted(member.decode("utf-8", "replace") for member in self._scripts.ask(read))
