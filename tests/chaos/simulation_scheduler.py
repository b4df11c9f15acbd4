"""A simulated scheduler: the real passes, on a Redis that is the model; its calls may arrive late."""

from __future__ import annotations

from typing import Any

from orchestrator.scheduler.leadership import Pulse
from orchestrator.scheduler.passes import Passes
from orchestrator.scheduler.rescue import Rescue
from queues.clock import seconds_to_us
from queues.recovery import FRESH_SECONDS, WindowLength
from queues.states import HELD, State
from tests.chaos.model import Model
from tests.chaos.simulation_checks import Checks
from tests.chaos.simulation_world import Redis, World


class _Passes(Passes):
    """Thousands of schedulers a second say nothing about who leads."""

    def _note(self, pulse: Pulse) -> None:
        self._leading = pulse.leading


class _Nothing:
    """A duty of a scheduler that a world without deployments, logs and damage has no use for."""

    count, more, counts, wrong, problems = 0, False, {}, (), ()  # type: ignore[var-annotated]

    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: self


class Scheduler:
    """One process; a pass is decided at once, what it asks of Redis arrives when the network likes."""

    def __init__(self, world: World, redis: Redis, checks: Checks, name: str) -> None:
        self.world, self.redis, self.checks, self.name = world, redis, checks, name
        self.alive = True
        self.late = 0.0
        """How late its calls may be: it freezes between two of them."""
        model = redis.model
        self.length = WindowLength(lease_seconds=model.lease / 1e6, grace_seconds=model.grace / 1e6)
        self.restart()

    def restart(self) -> None:
        """A new process."""
        nothing: Any = _Nothing()
        rescue = Rescue(self, nothing, nothing, fresh_seconds=min(FRESH_SECONDS, self.length.silence_seconds))  # type: ignore[arg-type]
        store: Any = _Store(self)
        self.passes = _Passes(store, self, rescue, nothing, length=self.length, clock=lambda: self.world.now)  # type: ignore[arg-type]
        # Passes that only the clock asks for are no matter of this world.
        self.passes.duties = tuple(duty for duty in self.passes.duties if duty.name in ("promote", "expire"))

    def start(self) -> None:
        """Work for ever."""
        self.world.after(0.01, self._once)

    def _once(self) -> None:
        seconds = 1.0
        if self.alive and self.redis.up and self.redis.writable:
            seconds = max(self.passes.once(), 0.02)
        self.world.after(seconds + self.world.between(0, self.late), self._once)

    # -------------------------------------------------------------- what the passes ask of Redis
    def beat(self) -> Pulse:
        """The leader's beat; both lead here, since safety must not depend on who does."""
        self.redis.execute(Model.beat)
        model = self.redis.model
        held = [run.deadline for run in model.runs.values() if run.state in HELD]
        delayed = [run.due for run in model.runs.values() if run.state is State.SCHEDULED]
        return Pulse(
            leading=True,
            epoch=1,
            now_us=model.now,
            until_us=model.now + 6_000_000,
            next_due_us=None,
            next_delayed_us=min(delayed, default=None),
            next_deadline_us=min(held, default=None),
        )

    def expire_once(self, *, fresh_seconds: float) -> _Nothing:
        """Send a pass of expiry."""
        self._send(lambda model: self.checks.expired(model.expire(fresh=seconds_to_us(fresh_seconds))))
        return _Nothing()

    def promote(self, _: int) -> _Nothing:
        """Send a promotion."""
        self._send(Model.promote)
        return _Nothing()

    def _send(self, call: Any) -> None:
        def arrive() -> None:
            if self.redis.up and self.redis.writable:
                self.redis.execute(call)

        self.world.after(0.001 + self.world.between(0, self.late), arrive)


class _Store:
    def __init__(self, scheduler: Scheduler) -> None:
        self.records = scheduler
