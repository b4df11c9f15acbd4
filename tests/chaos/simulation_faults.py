"""What a seed does to a simulated world: a few faults of any kind, which may overlap, within some leases of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from queues.states import State

if TYPE_CHECKING:
    from tests.chaos.simulation_agent import Agent
    from tests.chaos.simulation_play import Play

TAIL_SECONDS = 2.0


class Faults:
    """Draws faults and lets them happen; all are over when `over_at` has come."""

    def __init__(self, play: Play) -> None:
        self.play, self.world, self.redis = play, play.world, play.redis
        self.lease = play.lease
        self.over_at = 0.0

    def plan(self, count: int) -> None:
        """Put so many faults into the next three leases."""
        network = [self._cut, self._cut, self._flaky, self._slow]
        hosts = [self._freeze, self._stutter, self._kill, self._host_dies, self._drain]
        others = [self._redis_dies, self._redis_dies, self._redis_is_read_only, self._clock_jumps, self._scheduler]
        kinds: list[Callable[[float], float]] = [*network, *hosts, *others]
        for _ in range(count):
            start = self.world.between(0.2, 3 * self.lease)
            fault = self.world.dice.choice(kinds)
            self.over_at = max(self.over_at, start + fault(start))

    # -------------------------------------------------------------- each plans itself, and says how long it lasts
    def _agent(self) -> int:
        return self.world.dice.randrange(len(self.play.agents))

    def _cut(self, start: float) -> float:
        agent, seconds = self.play.agents[self._agent()], self.world.between(0.1, 2.5) * self.lease

        def cut(on: bool) -> None:
            agent.wire.cut = on
            agent.trouble(1 if on else -1)
            self.world.say(agent.name, "is cut off" if on else "sees Redis again")
            self.world.occurred["cuts"] += on

        self.world.after(start, cut, True)
        self.world.after(start + seconds, cut, False)
        return seconds

    def _flaky(self, start: float) -> float:
        agent, seconds = self.play.agents[self._agent()], 2 * self.lease

        def flaky(share: float) -> None:
            agent.wire.drop = share
            agent.trouble(1 if share else -1)
            self.world.occurred["flaky networks"] += share > 0

        self.world.after(start, flaky, self.world.between(0.05, 0.5))
        self.world.after(start + seconds, flaky, 0.0)
        return seconds

    def _slow(self, start: float) -> float:
        agent, seconds = self.play.agents[self._agent()], 2 * self.lease

        def slow(share: float, slowest: float) -> None:
            agent.wire.slow, agent.wire.slowest = share, slowest
            agent.trouble(1 if share else -1)

        self.world.after(start, slow, self.world.between(0.1, 0.7), self.world.between(0.1, 1.2) * self.lease)
        self.world.after(start + seconds, slow, 0.0, 0.0)
        return seconds + 1.2 * self.lease

    def _freeze(self, start: float) -> float:
        agent, seconds = self.play.agents[self._agent()], self.world.between(0.1, 2.5) * self.lease
        self._freeze_once(agent, start, seconds, self.world.chance(0.3))
        return seconds

    def _stutter(self, start: float) -> float:
        """A host that gets the processor only now and then."""
        agent, seconds = self.play.agents[self._agent()], 0.0
        for _ in range(self.world.dice.randint(2, 5)):
            frozen = self.world.between(0.1, 0.8) * self.lease
            self._freeze_once(agent, start + seconds, frozen, False)
            seconds += frozen + self.world.between(0.001, 0.3) * self.lease
        return seconds

    def _freeze_once(self, agent: Agent, start: float, seconds: float, machine: bool) -> None:
        def thaw() -> None:
            agent.thaw()
            agent.trouble(-1)

        def freeze() -> None:
            agent.trouble(1)
            if in_a_call:
                agent.freezes_next = machine
            else:
                agent.freeze(machine=machine)

        in_a_call = self.world.chance(0.5)

        self.world.after(start, freeze)
        self.world.after(start + seconds, thaw)

    def _kill(self, start: float) -> float:
        agent = self.play.agents[self._agent()]

        def kill() -> None:
            self.world.occurred["kills of supervisors"] += agent.alive
            agent.die("killed")
            self.world.after(1.0, agent.start, agent.instance)

        self.world.after(start, kill)
        return 1.0

    def _host_dies(self, start: float) -> float:
        agent, seconds = self.play.agents[self._agent()], self.world.between(0.2, 3) * self.lease
        known = self.world.chance(0.5)

        def die() -> None:
            self.world.occurred["deaths of hosts"] += agent.alive
            agent.die("its host died")
            self.world.after(seconds, agent.start, agent.instance if known else "")

        self.world.after(start, die)
        return seconds

    def _drain(self, start: float) -> float:
        agent, by = self.play.agents[self._agent()], self.world.dice.choice(["signal", "drain", "stop"])

        def drain() -> None:
            self.world.occurred["drains and stops"] += agent.alive
            if by == "signal":
                agent.signal()
            elif self.redis.up:
                self.redis.execute(lambda model: model.request(agent.name, by))

        self.world.after(start, drain)
        return 0.0

    def _redis_dies(self, start: float) -> float:
        down = self.world.between(0.05, 1.5) * self.lease if self.world.chance(0.5) else 0.3
        tail = self.world.chance(0.5)
        lost = self.world.between(0.0, min(TAIL_SECONDS, start))

        def die() -> None:
            if self.redis.up:
                self.redis.die(tail=tail)
                if tail:
                    self.play.checks.tail_lost()
                self.world.after(down, self.redis.start)

        if tail:
            self.world.after(start - lost, self.redis.save)
        self.world.after(start, die)
        return down

    def _redis_is_read_only(self, start: float) -> float:
        seconds = self.world.between(0.2, 2.5) * self.lease

        def writable(on: bool) -> None:
            self.redis.writable, self.redis.disturbed = on, True
            self.world.say("redis", "takes writes again" if on else "takes no writes")
            self.world.occurred["times without writes"] += not on

        self.world.after(start, writable, False)
        self.world.after(start + seconds, writable, True)
        return seconds

    def _clock_jumps(self, start: float) -> float:
        seen = (self.lease + self.play.grace) / 2 + 1.0
        far, near = self.world.between(seen, 20 * self.lease), self.world.between(0.0, 0.5 * self.play.grace)
        by = self.world.dice.choice([far, -far, near, -near])

        def jump() -> None:
            self.redis.clock += by
            self.redis.disturbed = True
            self.world.say("redis", f"its clock jumps by {by:.1f} s")
            self.world.occurred["jumps of Redis' clock"] += 1

        self.world.after(start, jump)
        return 0.0

    def _scheduler(self, start: float) -> float:
        scheduler, seconds = self.world.dice.choice(self.play.schedulers), self.world.between(0.1, 2) * self.lease
        dead = self.world.chance(0.5)

        def suffer(on: bool) -> None:
            scheduler.alive, scheduler.late = not (on and dead), seconds / 2 if on and not dead else 0.0
            self.world.occurred["schedulers dead or late"] += on
            if not on and dead:
                scheduler.restart()

        self.world.after(start, suffer, True)
        self.world.after(start + seconds, suffer, False)
        return 1.5 * seconds

    # -------------------------------------------------------------- what clients and operators do meanwhile
    def operate(self, at: float) -> None:
        """Cancel a run, change a limit, pause and resume."""
        self.world.after(at, self._operate)

    def _operate(self) -> None:
        if not (self.redis.up and self.redis.writable):
            return
        dice = self.world.dice
        match dice.choice(["cancel", "limit", "limit", "pause"]):
            case "cancel":
                self.play.cancel(dice.choice(self._pending() or sorted(self.redis.model.runs) or ["none"]))
            case "limit":
                limit, number = dice.choice(self.play.limits), dice.choice([1, 2, 3])
                self.redis.execute(lambda model: model.set_limit(limit, number))
                self.redis.on_work()
                self.play.checks.limit_is(limit, number)
                self.world.occurred["limits changed"] += 1
            case "pause":
                line = dice.choice(list(self.redis.model.lines.values()))
                line.paused = True
                self.world.after(1.0, self.resume)

    def _pending(self) -> list[str]:
        return sorted(run.id for run in self.redis.model.runs.values() if run.state is State.PENDING)

    def resume(self) -> None:
        """Open what is paused, as soon as Redis takes it."""
        if not (self.redis.up and self.redis.writable):
            self.world.after(0.5, self.resume)
            return
        for line in self.redis.model.lines.values():
            line.paused = False
        self.redis.on_work()
