"""What is being prepared on this machine, for which deployments, and what becomes of their runs meanwhile; pure.

A claimed run whose needs are not all here is given back unstarted, and its deployment is left alone until they are:
it holds no slot meanwhile, and another agent may be faster. At most four needs are prepared at once, each once.

A failure that may pass is tried again after 5 s and 20 s. One that will not, or the third in a row, ends the next runs
of the need FAILED with its reason, for 60 s; after that one more try is made, and if it fails the time doubles, to 30
minutes. When the machine itself is at fault no run fails: it is tried again for ever, less and less often;
when Redis was away, every two seconds.
"""

import json
from dataclasses import dataclass, field
from enum import Enum

from agent.actions import Action, Deliver, Prepare, SetTimer, StopPreparing
from agent.claiming import Claiming
from agent.messages import Fault, Prepared, Progressed, Timer
from agent.needs import Need
from agent.orders import Order
from agent.runners.outcome import GiveBack, not_prepared

MOST_AT_ONCE = 4
PAUSES = (5.0, 20.0)
"""Seconds before the second and the third try."""

OUTAGE_PAUSE = 2.0
"""Seconds before the next try when Redis did not answer, which counts as none."""

FIRST_REFUSAL = 60.0
LONGEST_REFUSAL = 1800.0
MOST_REMEMBERED = 500
LONGEST_WHAT = 200
LONGEST_REASON = 400
MOST_SHOWN = 50


class Stage(Enum):
    """Where a need stands."""

    WAITING = "it is prepared when one of the others has ended"
    PREPARING = "its process is at work"
    PAUSED = "it failed and is tried again"
    REFUSED = "it failed: runs that need it fail, until the next try"


UNDER_WAY = (Stage.WAITING, Stage.PREPARING, Stage.PAUSED)


@dataclass(kw_only=True)
class Work:
    """One need that is not here yet."""

    need: Need
    since_us: int
    """When a run first asked for it, by Redis' clock."""
    stage: Stage = Stage.WAITING
    what: str = "waiting for other preparations"
    tries: int = 0
    reason: str = ""
    until: float = 0.0
    refusal: float = 0.0
    """How long runs are refused, or the machine's next try is put off, in seconds."""
    orders: dict[str, Order] = field(default_factory=dict)
    """What asked for it, by deployment and revision: one run of each."""


@dataclass(kw_only=True)
class Preparer:
    """Decides on preparations for one agent."""

    claiming: Claiming
    host: str = "this machine"
    works: dict[str, Work] = field(default_factory=dict)

    def take(self, now: float, order: Order) -> list[Action]:
        """A claimed run needs what is not here: prepare it, and say what becomes of the run."""
        works = [self._work(need, order) for need in order.missing]
        for work in works:
            if work.stage is Stage.REFUSED and now < work.until:
                return [Deliver(order.ref, not_prepared(self._refusal(work)))]
        for work in works:
            work.orders[order.code] = order
            if work.stage is Stage.REFUSED:
                work.stage, work.since_us = Stage.WAITING, order.claimed_us
        self.claiming.hold_off(order)
        parts = " and ".join(dict.fromkeys(work.need.part for work in works))
        return [
            Deliver(order.ref, GiveBack(f"{self.host} prepares its {parts} first", unstarted=True)),
            *self._start_next(),
        ]

    def hear(self, now: float, message: Progressed | Prepared) -> list[Action]:
        """What to do about news of a preparation."""
        work = self.works.get(message.key)
        if work is None or work.stage is not Stage.PREPARING:
            return []
        if isinstance(message, Progressed):
            work.what = message.what[:LONGEST_WHAT]
            return []
        again = [] if message.fault is None else self._failed(now, work, message.fault, message.reason)
        if message.fault is None:
            del self.works[message.key]
            self._let_claim(work)
        return [*again, *self._start_next()]

    def try_again(self, key: str) -> list[Action]:
        """The pause of a need that failed is over."""
        work = self.works.get(key)
        if work is not None and work.stage is Stage.PAUSED:
            work.stage = Stage.WAITING
        return self._start_next()

    def stop(self) -> list[Action]:
        """Prepare nothing any more."""
        under_way = any(work.stage is Stage.PREPARING for work in self.works.values())
        self.works.clear()
        return [StopPreparing()] if under_way else []

    def shown(self) -> str:
        """What is under way as the agent's presence shows it: deployment → part, what, since; "" for nothing."""
        shown: dict[str, dict[str, str | int]] = {}
        for work in self.works.values():
            for order in work.orders.values() if work.stage in UNDER_WAY else ():
                if len(shown) == MOST_SHOWN:
                    break
                told = shown.get(order.deployment)
                part, what, since = work.need.part, work.what, work.since_us
                if told is not None and told["part"] != part:
                    part, what = f"{told['part']} and {part}", f"{told['what']}; {what}"
                    since = min(since, int(told["since_us"]))
                shown[order.deployment] = {"part": part, "what": what, "since_us": since}
        return json.dumps(shown, separators=(",", ":")) if shown else ""

    def _work(self, need: Need, order: Order) -> Work:
        if need.key not in self.works:
            self._make_room()
            self.works[need.key] = Work(need=need, since_us=order.claimed_us)
        return self.works[need.key]

    def _make_room(self) -> None:
        refused = [key for key, work in self.works.items() if work.stage is Stage.REFUSED]
        for key in refused[: max(len(self.works) - MOST_REMEMBERED, 0)]:
            del self.works[key]

    def _start_next(self) -> list[Action]:
        busy = sum(work.stage is Stage.PREPARING for work in self.works.values())
        waiting = [work for work in self.works.values() if work.stage is Stage.WAITING]
        started = waiting[: max(MOST_AT_ONCE - busy, 0)]
        for work in started:
            work.stage, work.what = Stage.PREPARING, "starting"
        return [Prepare(work.need) for work in started]

    def _failed(self, now: float, work: Work, fault: Fault, reason: str) -> list[Action]:
        work.reason = reason[:LONGEST_REASON]
        if fault is Fault.OUTAGE:
            return self._pause(now, work, OUTAGE_PAUSE, fault.value)
        work.tries += 1
        if fault is not Fault.FINAL and work.tries <= len(PAUSES):
            return self._pause(now, work, PAUSES[work.tries - 1], f"try {work.tries} failed")
        work.refusal = min(LONGEST_REFUSAL, 2 * work.refusal or FIRST_REFUSAL)
        if fault is Fault.MACHINE:
            return self._pause(now, work, work.refusal, f"try {work.tries} failed")
        # The tries that a passing failure had before are used up: what follows is one try at a time.
        work.tries = max(work.tries, len(PAUSES))
        work.stage, work.until = Stage.REFUSED, now + work.refusal
        for order in work.orders.values():
            self.claiming.has_code(order)
        work.orders.clear()
        return []

    def _pause(self, now: float, work: Work, seconds: float, what: str) -> list[Action]:
        work.stage, work.until = Stage.PAUSED, now + seconds
        work.what = f"{what}, tried again {seconds:g} s later: {work.reason}"[:LONGEST_WHAT]
        return [SetTimer((Timer.PREPARE, work.need.key), work.until)]

    def _let_claim(self, work: Work) -> None:
        """Runs of the deployments that have all they need now may be claimed."""
        others = {code for one in self.works.values() if one.stage in UNDER_WAY for code in one.orders}
        for code, order in work.orders.items():
            if code not in others:
                self.claiming.has_code(order)

    def _refusal(self, work: Work) -> str:
        return f"its {work.need.part} could not be prepared on {self.host}: {work.reason}"
