"""One play of a seed: a world is set up, faults happen, they end, and what must hold then is looked at."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from agent.messages import Woken
from queues.states import HELD, TERMINAL
from tests.chaos.model import Model
from tests.chaos.model_records import SECOND, Line, Record, Refused
from tests.chaos.simulation_agent import Agent
from tests.chaos.simulation_checks import Checks
from tests.chaos.simulation_faults import Faults
from tests.chaos.simulation_scheduler import Scheduler
from tests.chaos.simulation_world import Redis, Violation, Wire, World

POLL_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a play ended: the broken promise, if any, and what occurred."""

    seed: int
    broken: str
    events: int
    occurred: dict[str, int]
    trace: list[str]


class Play:
    """A scheduler or two, two or three agents, some runs under some limits."""

    def __init__(self, seed: int, *, tracing: bool = False) -> None:
        self.world = World(seed, tracing)
        dice = self.world.dice
        self.lease, self.grace = dice.choice([2.0, 3.0, 3.0, 3.0, 6.0, 30.0]), 2.0
        model = Model(
            lease=round(self.lease * SECOND),
            grace=round(self.grace * SECOND),
            start_timeout=2 * round(self.lease * SECOND),
        )
        self.redis = Redis(self.world, model)
        self.checks = Checks(self.world, self.redis)
        model.lines = {"a": Line(), "b": Line(priority=dice.choice([1, 100, 200]))}
        self.limits = ["queue:a", "queue:b", "tag:t"]
        for limit in self.limits:
            number = dice.choice([1, 1, 2])
            model.set_limit(limit, number)
            self.checks.limit_is(limit, number)
        self.agents = [self._agent(f"agent{number}") for number in range(dice.choice([2, 2, 3]))]
        self.schedulers = [Scheduler(self.world, self.redis, self.checks, f"s{n}") for n in range(dice.choice([1, 2]))]
        self.faults = Faults(self)
        self.redis.on_work = self._wake

    def _agent(self, name: str) -> Agent:
        dice = self.world.dice
        queues = dice.choice([("a",), ("b", "a"), ("a", "b")])
        made = Agent(
            self.world, Wire(self.world, self.redis), self.checks, name=name, queues=queues, limit=dice.choice([1, 2])
        )
        self.checks.agents.append(made)
        return made

    def run(self) -> Played:
        """Play to the end."""
        broken = ""
        try:
            self._play()
        except Violation as violation:
            broken = str(violation)
        world = self.world
        return Played(
            seed=world.seed, broken=broken, events=world.events, occurred=dict(world.occurred), trace=world.trace
        )

    def _play(self) -> None:
        world, dice = self.world, self.world.dice
        for actor in (*self.agents, *self.schedulers):
            actor.start()
        for number in range(dice.randint(2, 6)):
            world.after(world.between(0, 1.5 * self.lease), self._create, f"r{number}")
        for _ in range(dice.randint(0, 3)):
            self.faults.operate(world.between(0.2, 3 * self.lease))
        self.faults.plan(dice.choice([1, 1, 2, 2, 3]))
        world.run(max(self.faults.over_at, 1.5 * self.lease))
        # An operator looks after all that: what a lost end of the log had paused again is opened.
        self.faults.resume()
        # One agent that nothing has happened to: without any there is nobody to do the work.
        last = self._agent("last")
        last.queues = ("a", "b")
        last.start()
        world.run(world.now + 2 * self.lease + self.grace + POLL_SECONDS)
        self._recovered()
        self.checks.nothing_is_stuck()
        ready = self.checks.ready()
        world.run(world.now + POLL_SECONDS + 1.0)
        self.checks.not_idle(ready)
        latest = world.now + 600.0
        while world.now < latest and any(run.state not in TERMINAL for run in self.redis.model.runs.values()):
            world.run(world.now + 1.0)
        world.run(world.now + 3.0)
        self.checks.all_ended()

    def _recovered(self) -> None:
        """A recovery window that opened late holds leases up for as long again."""
        model = self.redis.tick()
        if model.no_expiry_before > model.now:
            self.world.run(self.world.now + (model.no_expiry_before - model.now) / SECOND + self.lease)

    # -------------------------------------------------------------- clients
    def _create(self, run_id: str) -> None:
        if not (self.redis.up and self.redis.writable):
            self.world.after(0.5, self._create, run_id)
            return
        dice, model = self.world.dice, self.redis.tick()
        run = Record(
            id=run_id,
            queue=dice.choice(["a", "a", "b"]),
            limits=dice.choice([(), (), ("tag:t",)]),
            due=model.now + dice.choice([0, 0, SECOND]),
            created=model.now,
            on_lost=dice.choice(["rerun", "rerun", "rerun", "crash"]),
            max_lost=50,
        )
        self.redis.execute(lambda model: model.create([run]))
        self.checks.acknowledged.add(run_id)
        self._wake()

    def cancel(self, run_id: str) -> None:
        """Someone wants a run cancelled; its agent is told at once, if the network likes."""
        run = self.redis.model.runs.get(run_id)
        holder = run.agent if run and run.state in HELD else ""
        with contextlib.suppress(Refused):
            self.redis.execute(lambda model: model.cancel(run_id))
            self.world.occurred["cancels"] += 1
        for agent in self.agents:
            if agent.name == holder:
                self._nudge(agent, Woken(news=True))

    def _wake(self) -> None:
        """There may be work: an agent is told, unless the wake-up is lost."""
        if self.world.chance(0.5):
            self._nudge(self.world.dice.choice(self.checks.agents), Woken())

    def _nudge(self, agent: Agent, message: Any) -> None:
        if agent.alive and not agent.wire.cut:
            self.world.after(self.world.between(0.001, 0.05), self._arrive, agent, agent.life, message)

    @staticmethod
    def _arrive(agent: Agent, life: int, message: Any) -> None:
        if agent.life == life:
            agent.hear(message)


def play(seed: int, *, tracing: bool = False) -> Played:
    """Play one seed."""
    return Play(seed, tracing=tracing).run()
