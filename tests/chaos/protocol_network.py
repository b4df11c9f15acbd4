"""Between a client and Redis, as bad as networks are: calls sent twice, answers swallowed, calls that come too late."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from queues.errors import HeadgateQueueError, RedisFailure

REPEATED, LATE_COPY = 0.05, 0.02
"""Shares of calls whose first answer is swallowed, and of which a second copy arrives later."""


class Unanswered(Exception):
    """The call may or may not have had its effect; it is sent again."""


@dataclass
class Call:
    """One call of a client, sent again with the same arguments until it is answered.

    `tries` counts the sendings that may have had an effect: not those to a Redis that was away.
    """

    send: Callable[[], Any]
    tries: int = 0
    late: float = LATE_COPY
    """The share of which a second copy arrives after some time."""


@dataclass
class Network:
    """What happens to the calls of one client, by chance. `clock` gives seconds, virtual ones when time travels."""

    rng: random.Random
    clock: Callable[[], float]
    note: Callable[..., None]
    cut_until: float = 0.0
    repeated: float = REPEATED
    _late: list[tuple[float, int, Callable[[], Any]]] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def make(self, call: Call) -> Any:
        """Send a call and give its answer; Unanswered in a cut and in an outage."""
        if self.clock() < self.cut_until:
            self._into_the_cut(call)
            raise Unanswered
        try:
            if self.rng.random() < self.repeated:
                call.send()
                call.tries += 1
            answer = call.send()
        except RedisFailure as failure:
            call.tries += not getattr(failure, "away", False)
            raise Unanswered from failure
        call.tries += 1
        if self.rng.random() < call.late:
            self._keep_back(call, self.clock() + self.rng.choice((0.1, 0.5, 4.0)) * self.rng.random())
        return answer

    def deliver(self) -> None:
        """Let arrive what was kept back for long enough; nobody hears the answers."""
        while self._late and self._late[0][0] <= self.clock():
            _, _, send = heapq.heappop(self._late)
            with contextlib.suppress(HeadgateQueueError):
                answer = send()
                self.note("late", answer=str(getattr(answer, "answer", answer)), mono=self.clock())

    def _into_the_cut(self, call: Call) -> None:
        chance = self.rng.random()
        call.tries += chance < 0.6
        if chance < 0.3:  # it arrives, its answer does not
            with contextlib.suppress(HeadgateQueueError):
                call.send()
        elif chance < 0.6:
            self._keep_back(call, self.clock() + self.rng.uniform(0.0, 4.0))

    def _keep_back(self, call: Call, until: float) -> None:
        heapq.heappush(self._late, (until, next(self._numbers), call.send))
