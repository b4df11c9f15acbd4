"""When to ask for runs, and on which queues; pure.

Asked at once when a slot of this agent is free and there is a reason to: the start, a wake-up, an ended run, `more` in
the last answer, Redis back again; otherwise every two seconds, should a wake-up have been lost. One claim at a time.
The runs of a deployment whose code this machine lacks are left alone, in line: 1 s, doubling to 30 s while it lasts;
those of one whose code or environment is being prepared until that has ended.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.actions import Action, AskForRuns, SetTimer
from agent.messages import Timer
from agent.orders import Order

POLL_SECONDS = 2.0
SEARCH_SECONDS = 0.05
"""Between two looks at a long line whose runs this agent leaves alone: each costs Redis some milliseconds."""

LONGEST_HOLD = 5.0
"""A hold is asked about again after so long: a clock of Redis that was set back makes it look like hours."""

FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 30.0


@dataclass(kw_only=True)
class BackOff:
    """Until when the runs of a deployment are left alone; its whole queue where they have no limit of their own."""

    queue: str
    limit: str
    seconds: float
    until: float


@dataclass(kw_only=True)
class Claiming:
    """Decides on claims for one agent."""

    queues: Sequence[str]
    limit: int
    by_prefix: bool = False
    """Whether claims also look at queues that are named by a prefix (`queues.claims`)."""
    asking: bool = False
    asked_again: bool = False
    avoids: bool = False
    """Whether the claim on its way leaves runs alone."""
    searches: bool = False
    """Whether the last claim met only such runs, and there are more."""
    hold_until: float = 0.0
    back_offs: dict[str, BackOff] = field(default_factory=dict)

    def ask(self, now: float, busy: int) -> list[Action]:
        """Ask for as many runs as there are free slots, now or as soon as the claim on its way is answered."""
        if self.asking:
            self.asked_again = True
            return []
        free = self.limit - busy
        queues = self._open_queues(now)
        if free <= 0:
            return []
        if not (queues or self.by_prefix) or now < self.hold_until:
            return [self._poll_at(max(now + POLL_SECONDS, self.hold_until) if queues else now + POLL_SECONDS)]
        avoided = self._avoided(now)
        self.asking, self.asked_again, self.avoids = True, False, bool(avoided)
        return [AskForRuns(queues, free, avoided)]

    def answered(self, now: float, *, found: bool, more: bool, hold_seconds: float) -> bool:
        """Note an answer; true when the next claim is to follow at once."""
        self.asking = False
        self.searches = more and self.avoids and not found
        self.hold_until = now + min(hold_seconds, LONGEST_HOLD)
        return (more and not self.searches) or self.asked_again

    def failed(self, now: float) -> list[Action]:
        """Note a claim without an answer: the next poll asks again."""
        self.asking = self.asked_again = False
        return [self._poll_at(now + POLL_SECONDS / 2)]

    def poll(self, now: float) -> list[Action]:
        """When to ask although nothing happens."""
        pause = SEARCH_SECONDS if self.searches else POLL_SECONDS
        return [self._poll_at(max(now + pause, self.hold_until))]

    def back_off(self, now: float, order: Order) -> None:
        """Leave a deployment alone for a while, which this machine has no code for."""
        before = self.back_offs.get(order.code)
        seconds = min(LONGEST_BACK_OFF, max(FIRST_BACK_OFF, 2 * before.seconds)) if before else FIRST_BACK_OFF
        self.back_offs[order.code] = BackOff(queue=order.queue, limit=order.limit, seconds=seconds, until=now + seconds)

    def hold_off(self, order: Order) -> None:
        """Leave a deployment alone until `has_code` says otherwise: what it needs is being prepared."""
        self.back_offs[order.code] = BackOff(queue=order.queue, limit=order.limit, seconds=0.0, until=math.inf)

    def has_code(self, order: Order) -> None:
        """Note that a deployment revision could be launched."""
        self.back_offs.pop(order.code, None)

    def _open_queues(self, now: float) -> tuple[str, ...]:
        closed = {one.queue for one in self.back_offs.values() if now < one.until and not one.limit}
        return tuple(queue for queue in self.queues if queue not in closed)

    def _avoided(self, now: float) -> tuple[str, ...]:
        closed = [one for one in self.back_offs.values() if now < one.until and (one.limit or self.by_prefix)]
        return tuple(dict.fromkeys(one.limit or f"queue:{one.queue}" for one in closed))

    def _poll_at(self, at: float) -> SetTimer:
        return SetTimer((Timer.POLL, ""), at)
