"""The simulated world: virtual time, a Redis that is the model of floor 0, a network that loses things."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.model import Model
from tests.chaos.model_records import SECOND

Call = Callable[[Model], Any]
"""A verb, made on the model."""


class Violation(Exception):
    """A promise that was broken; the text says which and how."""


@dataclass
class World:
    """Time, what is to happen in it, and dice; everything random comes from `dice`, so that a seed says it all."""

    seed: int
    tracing: bool = False
    now: float = 0.0
    events: int = 0
    trace: list[str] = field(default_factory=list)
    occurred: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0

    def after(self, seconds: float, call: Callable[..., object], *given: Any) -> None:
        """Call in so many seconds."""
        self._number += 1
        heapq.heappush(self._heap, (self.now + seconds, self._number, call, given))

    def run(self, until: float) -> None:
        """Let everything happen up to a moment."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, call, given = heapq.heappop(heap)
            self.events += 1
            call(*given)
        self.now = until

    def say(self, who: str, what: object) -> None:
        """Write a line of the trace."""
        if self.tracing:
            self.trace.append(f"{self.now:9.3f}  {who:<10} {what}")

    def chance(self, probability: float) -> bool:
        """Throw a coin."""
        return self.dice.random() < probability

    def between(self, low: float, high: float) -> float:
        """Any moment between two."""
        return low + (high - low) * self.dice.random()


class Redis:
    """The model behind a server process: it may be down, loading, or take no writes, and its clock may jump."""

    def __init__(self, world: World, model: Model) -> None:
        self.world, self.model = world, model
        self.process = 1
        self.greeted = 1
        self.up = self.writable = True
        self.clock = world.between(1e6, 2e6)
        self.returned_at = 0.0
        self.deaths = 0
        self.disturbed = False
        """Whether it was ever away, or its clock jumped: then a lease may have been extended without its word."""
        self.on_work: Callable[[], None] = lambda: None
        self._saved: Model | None = None

    def tick(self) -> Model:
        """The model at this moment."""
        self.model.now = round((self.world.now + self.clock) * SECOND)
        return self.model

    def execute(self, call: Call) -> Any:
        """Make a call; the first one after a crash greets."""
        model = self.tick()
        if self.greeted != self.process:
            self.greeted = self.process
            model.returned()
            self.returned_at = self.world.now
        return call(model)

    def save(self) -> None:
        """Whatever is acknowledged from now on may be lost."""
        self._saved = self.tick().snapshot()

    def die(self, *, tail: bool) -> None:
        """Kill -9; with `tail` the machine loses power, and what was not on its disk is gone."""
        self.up, self.disturbed, self.deaths = False, True, self.deaths + 1
        self.world.occurred["kills of Redis"] += 1
        if tail and self._saved is not None:
            self.model, self._saved = self._saved, None
            self.world.occurred["lost tails"] += 1
        self.world.say("redis", f"killed{', its tail is lost' if tail else ''}")

    def start(self) -> None:
        """A new process on the old files."""
        self.up, self.process = True, self.process + 1
        self.world.say("redis", "is back")


@dataclass
class Wire:
    """The network between one host and Redis."""

    world: World
    redis: Redis
    drop: float = 0.0
    slow: float = 0.0
    """Share of messages that take long."""
    slowest: float = 0.0
    cut: bool = False
    process: int = 1
    """The Redis process this host has met last."""

    def ask(self, call: Call, timeout: float, then: Callable[[str, Any], None]) -> None:
        """Send a call; `then` hears once: ok with the answer, away, or cut."""
        world, redis = self.world, self.redis
        if not self.cut and not redis.up:
            world.after(0.001, then, "away", None)
            return
        open_call = [then]
        world.after(timeout, _end, open_call, "cut", None)
        if not self._lost():
            world.after(self._delay(), self._arrive, call, open_call, redis.process)

    def _arrive(self, call: Call, open_call: list[Any], process: int) -> None:
        redis, world = self.redis, self.world
        if not redis.up or redis.process != process:
            world.after(0.001, _end, open_call, "cut", None)  # the connection was broken off
            return
        if not redis.writable:
            world.after(self._delay(), _end, open_call, "away", None)
            return
        if not open_call:
            world.occurred["calls executed after their time-out"] += 1
        answer = redis.execute(call)
        if self._lost():
            world.occurred["lost answers"] += 1
            return
        world.after(self._delay(), self._reply, open_call, answer)

    def _reply(self, open_call: list[Any], answer: Any) -> None:
        if self.cut:
            self.world.occurred["lost answers"] += 1
        else:
            _end(open_call, "ok", answer)

    def _lost(self) -> bool:
        return self.cut or (self.drop > 0 and self.world.dice.random() < self.drop)

    def _delay(self) -> float:
        dice = self.world.dice
        if self.slow and dice.random() < self.slow:
            self.world.occurred["slow messages"] += 1
            return dice.random() * self.slowest
        return 0.0002 + 0.002 * dice.random()


def _end(open_call: list[Any], how: str, answer: Any) -> None:
    if open_call:
        open_call.pop()(how, answer)
