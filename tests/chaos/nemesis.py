"""Who does the harm: draws faults from a seed, strikes, undoes what lasts, and notes what state each target was in.

Two lanes: one strikes processes and connections again and again, the other the whole of Redis, one fault at a time. The
same seed draws the same kinds in the same order; which run happens to be hit depends on the machine.
"""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.world import World

SWIFT_SECONDS = (0.1, 0.42)
"""Between two faults of processes or connections."""

OPENING_SECONDS = 6.0
"""Longer than a lease and its grace, also when the scheduler has just begun and lets nothing expire for as long."""

REDIS_SECONDS = (3.5, 7.5)
"""Between the end of a fault of Redis and the next."""


class Unsuitable(Exception):
    """This kind of fault can not strike now: its target is not there."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of fault: what it is called, how often it is drawn beside others of its lane, and what it does.

    `strike` gives the state its target was in, and what else is to be noted; raises Unsuitable.
    """

    name: str
    weight: int
    strike: Callable[[], tuple[str, dict[str, Any]]]
    kills: bool = False


class Nemesis:
    """Strikes while `step` is called; `heal` undoes everything at once."""

    def __init__(self, world: World, *, seed: int, pace: float = 1.0) -> None:
        self.world = world
        self.random = random.Random(seed)
        self._pace = pace
        """How many times longer the pauses between faults are than usual."""
        self.opening: list[Kind] = []
        """What strikes first, each once and with time to show what comes of it; so that it surely occurs."""
        self.swift: list[Kind] = []
        self.slow: list[Kind] = []
        self.cells: Counter[tuple[str, str]] = Counter()
        """How often each kind struck a target in each state."""
        self.kills: Counter[str] = Counter()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._next = {"swift": time.monotonic(), "slow": time.monotonic() + 4.0}
        self.after_cut: list[Callable[[], None]] = []
        """What is to be done when Redis has lost what it was told last."""
        self.redis_busy = False
        """Whether a fault of Redis is on: the next one waits for its end."""

    @property
    def count(self) -> int:
        """How many faults there were."""
        return sum(self.cells.values())

    def step(self) -> None:
        """Do what is due: the ends of earlier faults, then new ones."""
        self.follow_up()
        now = time.monotonic()
        if self.opening:
            if self._strike(self.opening[0]):
                del self.opening[0]
                self._next = dict.fromkeys(self._next, now + OPENING_SECONDS)
            return
        if now >= self._next["swift"]:
            self._draw(self.swift)
            self._next["swift"] = now + self._pace * self.random.uniform(*SWIFT_SECONDS)
        if self.redis_busy:
            self._next["slow"] = now + self._pace * self.random.uniform(*REDIS_SECONDS)
        elif now >= self._next["slow"] and self.slow:
            self._draw(self.slow)
            self._next["slow"] = now + self._pace * self.random.uniform(*REDIS_SECONDS)

    def follow_up(self) -> None:
        """Do what earlier faults left to be done by now."""
        while self._agenda and self._agenda[0][0] <= time.monotonic():
            heapq.heappop(self._agenda)[2]()

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something in so many seconds."""
        heapq.heappush(self._agenda, (time.monotonic() + seconds, next(self._numbers), what))

    def heal(self, within: float = 30.0) -> None:
        """Bring everything that was begun to its end, at once where it lasts by itself."""
        until = time.monotonic() + within
        while self._agenda and time.monotonic() < until:
            heapq.heappop(self._agenda)[2]()

    def _draw(self, lane: list[Kind]) -> None:
        for _ in range(8):
            if self._strike(self.random.choices(lane, weights=[kind.weight for kind in lane])[0]):
                return

    def _strike(self, kind: Kind) -> bool:
        try:
            state, detail = kind.strike()
        except Unsuitable:
            return False
        self.cells[kind.name, state] += 1
        if kind.kills:
            self.kills[kind.name] += 1
        self.world.history.fault(kind.name, state=state, **detail)
        return True
