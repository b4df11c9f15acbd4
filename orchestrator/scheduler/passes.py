"""What the scheduler does in one pass, and how long it may sleep then. No loop, no signals, no sleeping here.

A pass costs one call when nothing is due: it keeps the leadership and learns when something will be.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.scheduler import events
from orchestrator.scheduler.leadership import FOREVER, Leadership, Pulse
from orchestrator.scheduler.rescue import REPAIR_SECONDS, WATCH_SECONDS, Rescue
from orchestrator.scheduler.retention import Retention
from orchestrator.scheduler.tick import Reached, nowhere, tick
from orchestrator.store import Store
from queues.clock import seconds_to_us
from queues.errors import HeadgateQueueError, OutOfMemory, RedisFailure
from queues.recovery import WindowLength

LONGEST_SLEEP = 1.0
"""A lease may be taken right after a pass, and leases last for at least a second: none is missed."""

BEATS = 3
"""How many beats fall into a silence of Redis that would be noticed, so that a late one is not taken for it."""

STANDBY_SECONDS = 1.0
AFTER_FAILURE = 5.0
AFTER_NOTHING = 0.25
"""A duty that was due and had nothing to do is not asked again for so long, so that nothing spins."""

PROMOTED_AT_ONCE = 1_000
RETENTION_SECONDS = 60.0
NEXT_STEP_SECONDS = 0.05
NEXT_DEPLOYMENTS_SECONDS = 1.0
"""Between looks at some of the deployments: 100,000 are gone through in half an hour, at a thousandth of a core."""
TRIM_SECONDS = 3600.0
CODE_SECONDS = 600.0


@dataclass(kw_only=True)
class Duty:
    """One thing the scheduler does: in how many seconds it is to be done, and doing it (True: there was something)."""

    name: str
    wait: Callable[[Pulse], float]
    do: Callable[[Pulse], bool]
    not_before: float = 0.0


class Passes:
    """The duties, in the order of their urgency:

    1. put delayed runs on their queues when they are due;
    2. make the runs of due instants;
    3. take runs back whose leases have ended;
    4. give limits their number again that were changed for a time;
    5. repair what does not fit together;
    6. forget what is older than it is kept, and code that nothing names;
    7. look for what a stranger or the server takes away.
    """

    def __init__(
        self,
        store: Store,
        leadership: Leadership,
        rescue: Rescue,
        retention: Retention,
        *,
        length: WindowLength | None = None,
        reached: Reached = nowhere,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._leadership = leadership
        self._rescue = rescue
        self._retention = retention
        length = length or WindowLength()
        self._grace_us = seconds_to_us(length.grace_seconds)
        self._longest_sleep = min(LONGEST_SLEEP, length.silence_seconds / BEATS)
        self._reached = reached
        self._clock = clock
        self._repair_at = self._retention_at = self._trim_at = self._code_at = self._watch_at = clock()
        self._leading: bool | None = None
        self._strange: str | None = None
        self.duties = (
            Duty(name="promote", wait=lambda pulse: pulse.seconds_until(pulse.next_delayed_us), do=self._promote),
            Duty(name="tick", wait=lambda pulse: pulse.seconds_until(pulse.next_due_us), do=self._tick),
            Duty(name="expire", wait=self._until_expiry, do=self._expire),
            Duty(name="revert", wait=lambda pulse: pulse.seconds_until(pulse.next_revert_us), do=self._revert),
            Duty(name="repair", wait=lambda _: self._repair_at - self._clock(), do=self._repair),
            Duty(name="retention", wait=lambda _: self._retention_at - self._clock(), do=self._retain),
            Duty(name="trim", wait=lambda _: self._trim_at - self._clock(), do=self._trim),
            Duty(name="code", wait=lambda _: self._code_at - self._clock(), do=self._forget_code),
            Duty(name="watch", wait=lambda _: self._watch_at - self._clock(), do=self._watch),
        )

    @property
    def leading(self) -> bool:
        """Whether this scheduler led in its last pass."""
        return bool(self._leading)

    def once(self) -> float:
        """Do what is due; gives the seconds after which to call again."""
        began = self._clock()
        pulse = self._leadership.beat()
        self._note(pulse)
        if not pulse.leading:
            return max(min(STANDBY_SECONDS, (pulse.until_us - pulse.now_us) / 1_000_000), 0.05)
        busy = [self._perform(duty, pulse) for duty in self.duties if self._seconds_to(duty, pulse) <= 0]
        if any(busy):
            return 0.0
        until_next = min(self._seconds_to(duty, pulse) for duty in self.duties)
        return max(min(self._longest_sleep, until_next) - (self._clock() - began), 0.0)

    def _seconds_to(self, duty: Duty, pulse: Pulse) -> float:
        return max(duty.wait(pulse), duty.not_before - self._clock())

    def _perform(self, duty: Duty, pulse: Pulse) -> bool:
        """Do one duty. What fails is told and tried again later, the others go on; an outage of Redis ends the pass."""
        try:
            if duty.do(pulse):
                return True
            duty.not_before = self._clock() + AFTER_NOTHING
        except HeadgateQueueError as failure:
            if isinstance(failure, RedisFailure) and not isinstance(failure, OutOfMemory):
                raise
            events.duty_failed(duty=duty.name, problem=str(failure))
            duty.not_before = self._clock() + AFTER_FAILURE
        return False

    def _note(self, pulse: Pulse) -> None:
        if pulse.strange and pulse.strange != self._strange:
            events.strange_data(found=pulse.strange)
        self._strange = pulse.strange
        if pulse.leading != self._leading:
            (events.leads if pulse.leading else events.stands_by)(epoch=pulse.epoch)
            self._leading = pulse.leading

    def _promote(self, _pulse: Pulse) -> bool:
        return self._store.records.promote(PROMOTED_AT_ONCE).count > 0

    def _tick(self, pulse: Pulse) -> bool:
        began = self._clock()
        done = tick(self._store, pulse.epoch, self._reached)
        if done.made or done.skipped:
            events.ticked(made=done.made, skipped=done.skipped, seconds=self._clock() - began)
        return done.seen > 0 and not done.deposed

    def _until_expiry(self, pulse: Pulse) -> float:
        if pulse.next_deadline_us is None:
            return FOREVER
        return pulse.seconds_until(pulse.next_deadline_us + self._grace_us)

    def _expire(self, _pulse: Pulse) -> bool:
        return self._rescue.expire()

    def _revert(self, _pulse: Pulse) -> bool:
        return bool(self._store.limits.revert_due(actor="scheduler"))

    def _repair(self, _pulse: Pulse) -> bool:
        more = self._rescue.repair()
        self._repair_at = self._clock() + (0.0 if more else REPAIR_SECONDS)
        return more

    def _retain(self, _pulse: Pulse) -> bool:
        more = self._retention.step().more
        self._retention_at = self._clock() + (NEXT_STEP_SECONDS if more else RETENTION_SECONDS)
        return False

    def _trim(self, _pulse: Pulse) -> bool:
        more = self._retention.trim()
        self._trim_at = self._clock() + (NEXT_DEPLOYMENTS_SECONDS if more else TRIM_SECONDS)
        return False

    def _forget_code(self, _pulse: Pulse) -> bool:
        more = self._retention.forget_code()
        self._code_at = self._clock() + (NEXT_DEPLOYMENTS_SECONDS if more else CODE_SECONDS)
        return False

    def _watch(self, _pulse: Pulse) -> bool:
        self._watch_at = self._clock() + WATCH_SECONDS
        self._rescue.watch()
        return False
