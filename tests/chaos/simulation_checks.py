"""What must never happen in a simulated world, and what must have happened when its faults are over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from queues.states import HELD, TERMINAL, State
from tests.chaos.model_records import Record
from tests.chaos.simulation_world import Redis, Violation, World

if TYPE_CHECKING:
    from tests.chaos.simulation_agent import Agent
    from tests.chaos.simulation_flows import Flow


class Checks:
    """Eyes on all hosts at once, as nobody in a real world has them.

    An *orphan* is a flow whose claim was in the end of the log that Redis lost. Its agent has two seconds to come back
    and prove the claim; one that is cut off or frozen at that very time is not known to anybody, and the run may start
    elsewhere before the orphan is killed. That window is stated to users: such overlaps are counted, not forbidden. An
    orphan of an agent that nothing kept from Redis is no excuse.
    """

    def __init__(self, world: World, redis: Redis) -> None:
        self.world, self.redis = world, redis
        self.agents: list[Agent] = []
        self.acknowledged: set[str] = set()
        self.live: list[Flow] = []
        self.orphans: set[int] = set()
        self.allowed: dict[str, list[tuple[float, float]]] = {}

    def fail(self, promise: str, what: str) -> None:
        """A promise is broken."""
        self.world.say("BROKEN", f"{promise}: {what}")
        raise Violation(f"{promise}: {what} at {self.world.now:.3f} s")

    # -------------------------------------------------------------- what happens
    def limit_is(self, limit: str, number: float) -> None:
        """A limit has this number from now on."""
        self.allowed.setdefault(limit, []).append((self.world.now, number))

    def begins(self, flow: Flow) -> None:
        """User code of a run starts."""
        run_id = flow.order.run_id
        self.world.occurred["flows begun"] += 1
        if flow.leave != "ok":
            self.fail("no user code without leave", f"{run_id} began on {flow.agent.name}, told {flow.leave!r}")
        self.live = [other for other in self.live if other.alive] + [flow]
        for other in self.live:
            if other is not flow and other.order.run_id == run_id and other.executes:
                if self._is_orphan(other):
                    self.world.occurred["overlaps with an orphan (stated)"] += 1
                else:
                    self.fail("never two at once", f"{run_id} on {flow.agent.name} and {other.agent.name}")
        for limit in (f"queue:{flow.order.queue}", *flow.order.tags):
            self._check_cap(limit)

    def _check_cap(self, limit: str) -> None:
        using = [other for other in self.live if other.executes and not self._is_orphan(other)]
        using = [other for other in using if limit in (f"queue:{other.order.queue}", *other.order.tags)]
        since = min((other.since for other in using), default=self.world.now)
        numbers = self.allowed.get(limit, [])
        at_first = [number for at, number in numbers if at <= since][-1:]
        most = max([*at_first, *(number for at, number in numbers if at > since)], default=float("inf"))
        if len({other.order.run_id for other in using}) > most:
            self.fail("caps hold", f"{len(using)} of {limit} execute, at most {most} were allowed")

    def _is_orphan(self, flow: Flow) -> bool:
        ref, agent = flow.order.ref, flow.agent
        if id(flow) not in self.orphans or self.redis.model.owned((ref.run_id, ref.token, ref.claim_id)):
            return False
        return agent.troubles > 0 or agent.troubled_at >= self.redis.returned_at or self.redis.deaths > 1

    def tail_lost(self) -> None:
        """Redis is back without the end of its log: what was acknowledged in it is gone."""
        self.acknowledged &= set(self.redis.model.runs)
        for limit, number in self.redis.model.numbers.items():
            self.limit_is(limit, number)
        for agent in self.agents:
            for flow in agent.flows.values():
                ref = flow.order.ref
                if not self.redis.model.owned((ref.run_id, ref.token, ref.claim_id)):
                    self.orphans.add(id(flow))
                    self.live.append(flow)  # so that its id is not given to another

    def freed(self, ids: Iterable[str], why: str) -> None:
        """The slots of these runs were given away: nothing of them may be left."""
        self.redis.on_work()
        for run_id in ids:
            for agent in self.agents:
                flow = agent.flows.get(run_id)
                if flow and flow.alive and not agent.suspended and not self._is_orphan(flow):
                    self.fail("no process outlives its slot", f"{run_id} lives on {agent.name} ({why})")

    def expired(self, found: dict[str, State]) -> None:
        """Leases have ended."""
        self.world.occurred["leases expired"] += len(found)
        self.freed(found, "its lease had expired")

    def dead_man(self, agent: Agent) -> None:
        """The kernel killed a supervisor."""
        self.world.occurred["kills by the kernel's timer"] += 1
        if not agent.froze_in_this_life:
            self.fail(
                "killed before the lease ends", f"{agent.name} had to be killed by the kernel, and was never frozen"
            )

    def gone(self, flow: Flow) -> None:
        """Nothing of a flow is left; that must come before its lease ends, unless Redis was away meanwhile."""
        ref, model = flow.order.ref, self.redis.tick()
        run = model.owned((ref.run_id, ref.token, ref.claim_id))
        if run and model.now > run.deadline + 10_000 and not self.redis.disturbed and not flow.agent.suspended:
            late = (model.now - run.deadline) / 1e6
            self.fail("killed before the lease ends", f"{ref.run_id} on {flow.agent.name} lived {late:.3f} s longer")

    def forgets(self, flow: Flow) -> None:
        """An agent is done with a run."""
        if flow.alive:
            self.fail("no process outlives its run", f"{flow.order.run_id} on {flow.agent.name}")

    def leaves(self, agent: Agent) -> None:
        """An agent has ended in order."""
        self.world.occurred["agents that left"] += 1
        if alive := [run_id for run_id, flow in agent.flows.items() if flow.alive]:
            self.fail("nothing is left behind", f"{agent.name} leaves {alive}")

    def claimed(self, taken: list[Record]) -> None:
        """A claim was answered."""
        self.world.occurred["claims"] += len(taken)

    # -------------------------------------------------------------- when faults are over
    def nothing_is_stuck(self) -> None:
        """Two leases after the last fault: what is held is in good hands."""
        model = self.redis.tick()
        for run in model.runs.values():
            if run.state in HELD and not self._in_good_hands(run):
                self.fail("everything converges", f"{run.id} is {run.state} of {run.agent}, which does not know it")

    def _in_good_hands(self, run: Record) -> bool:
        if run.deadline > self.redis.model.now - self.redis.model.grace + self.redis.model.lease:
            return True  # just taken: the answer is on its way
        for agent in self.agents:
            if agent.alive and agent.name == run.agent and run.id in agent.supervision.runs:
                return True
        return False

    def ready(self) -> dict[str, int]:
        """Runs that only want an agent, with their attempts, when an agent has a free slot."""
        model = self.redis.tick()
        free = [
            agent
            for agent in self.agents
            if agent.alive
            and not agent.left
            and agent.supervision.level == 0
            and sum(run.takes_a_slot for run in agent.supervision.runs.values()) < agent.limit
            and not agent.supervision.claiming.back_offs
        ]
        queues = {queue for agent in free for queue in agent.queues if not model.lines[queue].paused}
        return {run.id: run.attempt for run in model.runs.values() if run.queue in queues and model.startable(run)}

    def not_idle(self, before: dict[str, int]) -> None:
        """A poll later none of the runs that only wanted an agent may still want one."""
        now = self.ready()
        waiting = [run_id for run_id, attempt in before.items() if now.get(run_id) == attempt]
        if waiting:
            self.fail("no idle slot beside ready work", f"{waiting} wait although an agent is free")

    def all_ended(self) -> None:
        """Every run that was acknowledged has ended, and nothing of any is left."""
        model = self.redis.model
        if missing := sorted(self.acknowledged - set(model.runs)):
            self.fail("no acknowledged run is lost", f"{missing} are gone")
        if waiting := [(run.id, str(run.state)) for run in model.runs.values() if run.state not in TERMINAL]:
            self.fail("everything converges", f"{waiting} never ended")
        self.freed(model.runs, "all has ended")
        for agent in self.agents:
            if agent.alive and agent.supervision.level > 0 and not agent.left:
                self.fail("a drained agent leaves", agent.name)
