"""The protocol under faults in one process: agents, schedulers and clients as objects, stepped by chance; time travels.

A run of a hundred flows with dozens of faults takes about a second: the gear for many seeds, and for mutants.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import redis as redis_py

from orchestrator.keys import KINDS
from orchestrator.scheduler.leadership import Leadership
from orchestrator.scheduler.passes import Passes
from orchestrator.scheduler.rescue import Rescue
from orchestrator.scheduler.retention import Retention
from orchestrator.store import Store
from queues.errors import RefusedByState
from queues.key_watch import KeyWatch
from queues.leases import Leases
from queues.recovery import WindowLength
from queues.repair import Repair
from queues.states import TERMINAL, State
from tests.chaos.history import Collector, History
from tests.chaos.protocol_agent import GRACE, LEASE, ProtocolAgent
from tests.chaos.protocol_ending import complete
from tests.chaos.protocol_network import Call, Network
from tests.chaos.protocol_world import CHOICES, deploy, make_queues, new_runs

AGENTS = 4
WEIGHTS = {
    "kill agent": 2.5,
    "kill agent in a claim": 1.5,
    "freeze agent": 1.5,
    "cut off agent": 2.5,
    "crash scheduler": 2.0,
    "kill scheduler": 0.5,
    "script flush": 1.0,
    "cancel": 3.5,
    "change limit": 7.0,
    "": 78.0,
}
"""How often what happens, in a hundred rounds."""
STILL_ROUNDS = 60
"""After so many rounds of 0.15 s without any move, what has not ended is stuck."""
CRASH_POINTS = ("begun", "created", "created", "advanced")


class Killed(BaseException):
    """A scheduler that dies at a named point."""


class SteppedScheduler:
    """The passes of a scheduler with the clock of the world; `crash_at` names the point at which it dies."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.at = 0.0
        self.crash_at = ""
        length = WindowLength(lease_seconds=LEASE, grace_seconds=GRACE)
        leases = Leases(store.scripts, grace_seconds=GRACE, lease_seconds=LEASE)
        repair = Repair(store.scripts, lease_seconds=LEASE)
        rescue = Rescue(leases, repair, KeyWatch(store.scripts, kinds=KINDS), fresh_seconds=length.silence_seconds)
        leadership = Leadership(store, length=length, leads_seconds=2.0)
        more = {"length": length, "reached": self._reached, "clock": clock}
        self.passes = Passes(store, leadership, rescue, Retention(store), **more)

    def _reached(self, point: str) -> None:
        if point == self.crash_at:
            raise Killed


class Stepped:
    """One world: `run` gives its history. Redis is emptied first. `weights` replace some of WEIGHTS."""

    def __init__(
        self, client: redis_py.Redis, seed: int, *, rounds: int = 250, weights: Mapping[str, float] | None = None
    ) -> None:
        client.flushall()
        self.rng = random.Random(seed)
        self.store = Store(client, silent_seconds=LEASE + GRACE)
        self.history = History()
        self.collector = Collector(self.history, client)
        self.circumstances: dict[str, Any] = {}
        """What every call says beside its arguments: a product that listens to it would be wrong (see mutants)."""
        plain = self.store.scripts.call
        self.store.scripts.call = lambda verb, **said: plain(verb, **said, **self.circumstances)  # type: ignore[method-assign]
        self.rounds = rounds
        self.weights = {**WEIGHTS, **(weights or {})}
        self.made: list[str] = []
        self.names = 0
        self.networks: list[Network] = []
        self.agents: list[ProtocolAgent] = []
        self.frozen: dict[str, float] = {}
        self.skews: dict[str, float] = {}
        self.net = self._network()
        self.schedulers = [self._scheduler() for _ in range(2)]

    def run(self) -> History:
        """Make runs and faults for so many rounds, heal, wait until all is quiet."""
        self.history.add("settings", lease=LEASE, grace=GRACE, max_lost=6)
        make_queues(self.store)
        scheduled = deploy(self.store)
        for number in range(AGENTS):
            self._start_agent(f"a{number}")
        for number in range(self.rounds):
            if number % 8 == 0:
                self._create()
            self._round(self.rng.randint(5_000, 80_000))
            self._nemesis()
            if number % 50 == 0:
                self.collector.collect()
        until = self._heal()
        self.collector.collect()
        complete(self.history, self.store, scheduled, until)
        return self.history

    def clock(self) -> float:
        """Seconds of the machine, and what was travelled."""
        return time.monotonic() + self.store.scripts.offset_us / 1_000_000

    # ---------------------------------------------------------------- one round
    def _round(self, microseconds: int) -> None:
        self.store.travel(microseconds)
        for agent in [*self.agents]:
            self._dead_man(agent)
        for network in self.networks:
            network.deliver()
        for agent in self.rng.sample(self.agents, k=3 * len(self.agents) // 4):
            if self.frozen.get(agent.name, 0.0) <= self.clock():
                self._step(agent)
        for number, scheduler in enumerate(self.schedulers):
            if scheduler.at <= self.clock():
                self._pass(number, scheduler)

    def _step(self, agent: ProtocolAgent) -> None:
        at = round((time.time() + self.skews[agent.name]) * 1_000_000)
        self.circumstances["clock"] = [at // 1_000_000, at % 1_000_000]
        try:
            agent.step()
        finally:
            self.circumstances.clear()

    def _pass(self, number: int, scheduler: SteppedScheduler) -> None:
        try:
            scheduler.at = self.clock() + min(scheduler.passes.once(), 0.2)
        except Killed:
            self.history.add("fault", what=f"kill scheduler at {scheduler.crash_at}", mono=self.clock(), detail={})
            self.schedulers[number] = self._scheduler()

    def _dead_man(self, agent: ProtocolAgent) -> None:
        """The kernel ends a frozen agent with its lease; its flows are gone within the grace."""
        ends = agent.dead_man()
        if ends is not None and ends <= self.clock() and self.frozen.get(agent.name, 0.0) > ends:
            self._end_agent(agent, ends + self.rng.uniform(0.0, 0.6) * GRACE)

    # ---------------------------------------------------------------- clients
    def _create(self) -> None:
        new, request = new_runs(self.rng, self.store.scripts.now_us()), str(uuid.uuid4())
        call = Call(lambda: self.store.records.create(new, request_id=request))
        sent = self.clock()
        answer = [[one.created, one.state] for one in self.net.make(call)]
        self.made += [run.id for run in new]
        for run in new:
            more = {"max_lost": run.max_lost, "due": run.due_us, "retries": 2}
            self._ack("create", sent, call, [run.id], answer, request=request, **more)

    def _cancel(self) -> None:
        held = [run for agent in self.agents for run in agent.flows]
        run = self.rng.choice(held) if held and self.rng.random() < 0.7 else self.rng.choice(self.made)
        call = Call(lambda: self._cancelled(run))
        sent, answer = self.clock(), self.net.make(call)
        self._ack("cancel", sent, call, [run], answer)

    def _cancelled(self, run: str) -> str:
        try:
            return str(self.store.records.cancel(run, actor="user:ann", request_id=f"cancel-{run}").state)
        except RefusedByState:
            return "refused"

    def _ack(self, verb: str, sent: float, call: Call, runs: list[str], answer: Any, **more: Any) -> None:
        times = {"sent": sent, "answered": self.clock(), "resent": call.tries - 1}
        self.history.add("ack", client="client", verb=verb, runs=runs, answer=answer, **times, **more)

    # ---------------------------------------------------------------- faults
    def _nemesis(self) -> None:
        """One of the faults, or none, by their weights."""
        (name,) = self.rng.choices([*self.weights], [*self.weights.values()])
        agent = self.rng.choice(self.agents)
        match name:
            case "kill agent":
                self._kill(agent, name)
            case "kill agent in a claim":
                self._kill_in_claim(agent)
            case "freeze agent":
                self._fault(name, agent=agent.name)
                self.frozen[agent.name] = self.clock() + self.rng.choice((0.5, 1, 2, 4)) * LEASE
            case "cut off agent":
                self._fault(name, agent=agent.name)
                agent.network.cut_until = self.clock() + self.rng.choice((0.2, 1, 2, 3)) * LEASE
            case "crash scheduler":
                self.rng.choice(self.schedulers).crash_at = self.rng.choice(CRASH_POINTS)
            case "kill scheduler":
                self._fault(name)
                self.schedulers[self.rng.randrange(2)] = self._scheduler()
            case "script flush":
                self._fault(name)
                self.store.scripts.redis.script_flush()
            case "cancel":
                self._cancel()
            case "change limit":
                limit = self.rng.choice([*CHOICES])
                self.store.limits.set(limit, self.rng.choice(CHOICES[limit]), "ann")

    def _fault(self, what: str, **detail: Any) -> None:
        self.history.add("fault", what=what, mono=self.clock(), detail=detail)

    def _kill(self, agent: ProtocolAgent, what: str) -> None:
        self._fault(what, agent=agent.name, runs=len(agent.flows))
        self._end_agent(agent, self.clock())

    def _kill_in_claim(self, agent: ProtocolAgent) -> None:
        """The agent dies while its claim is on the way: Redis has it, nobody hears the answer."""
        self._create()
        self.circumstances["dies"] = True
        agent.claims.claim(("bulk", "narrow", "tagged"), 2, claim_id=str(uuid.uuid4()))
        self.circumstances.clear()
        self._kill(agent, "kill agent in a claim")

    def _end_agent(self, agent: ProtocolAgent, gone_at: float) -> None:
        """Note what ended with an agent; another one comes, under the same name (a restart) or a new one."""
        agent.die(gone_at)
        self.agents.remove(agent)
        self.frozen.pop(agent.name, None)
        if self.rng.random() < 0.4 and gone_at <= self.clock():
            self._start_agent(agent.name, takeover=agent.instance)
        else:
            self.names += 1
            self._start_agent(f"b{self.names}")

    # ---------------------------------------------------------------- the end
    def _heal(self) -> int:
        """Stop all faults, let the rest happen; gives the time up to which instants were dealt with."""
        self.frozen.clear()
        for network in self.networks:
            network.cut_until, network.repeated = 0.0, 0.0
        for scheduler in self.schedulers:
            scheduler.crash_at = ""
        for limit, numbers in CHOICES.items():
            self.store.limits.set(limit, numbers[-1], "ann")
        for _ in range(30):
            self._round(150_000)
        until = self._stop_schedules()
        still = 0
        while still < STILL_ROUNDS and not self._quiet():
            self._round(150_000)
            still = 0 if self.collector.collect() else still + 1
        for _ in range(8):  # repair looks once more
            self._round(300_000)
        return until

    def _stop_schedules(self) -> int:
        """Let the schedulers deal with every instant up to now, and end the schedules."""
        redis, due = self.store.scripts.redis, self.store.keys.due
        until = self.store.scripts.now_us()
        for _ in range(200):
            if redis.zcount(due, "-inf", until) == 0:
                break
            self._round(100_000)
        redis.delete(due)
        return until

    def _quiet(self) -> bool:
        open_states = [state for state in State if state not in TERMINAL]
        return not any(self.store.scripts.redis.zcard(self.store.keys.state(state)) for state in open_states)

    # ---------------------------------------------------------------- makers
    def _network(self) -> Network:
        made = Network(random.Random(self.rng.random()), self.clock, self.history.add)
        self.networks.append(made)
        return made

    def _scheduler(self) -> SteppedScheduler:
        return SteppedScheduler(self.store, self.clock)

    def _start_agent(self, name: str, takeover: str | None = None) -> None:
        self.skews[name] = self.rng.choice((-3.0, -1.0, 0.0, 2.0))
        more = {"pid": len(self.networks), "takeover": takeover}
        network = self._network()
        rng = random.Random(self.rng.random())
        self.agents.append(ProtocolAgent(self.store, name, rng, network, self.history.add, self.clock, **more))
