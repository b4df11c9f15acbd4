"""Gathers from Redis what an explanation is made from."""

from collections.abc import Sequence
from typing import Any

from orchestrator.client import views
from orchestrator.client.explain import Scene, blocking_limit
from orchestrator.client.queue_values import AgentInfo
from orchestrator.client.values import FlowRun, SlotHolder
from orchestrator.store import Store
from queues.clock import from_us
from queues.keys import queue_limit
from queues.presence import LOST
from queues.records import Run
from queues.states import State
from queues.work_queue import WorkQueue

HOLDERS_SHOWN = 20


def listed(store: Store, runs: Sequence[Run], late_us: int) -> list[FlowRun]:
    """Runs as listed."""
    now_us, queues = store.scripts.now_us(), {queue.name: queue for queue in store.queues.all()}
    return [FlowRun(**views.row(run, now_us, late_us, why(run, queues.get(run.queue)))) for run in runs]


def row_of(store: Store, run: Run, late_us: int) -> dict[str, Any]:
    """The fields of FlowRun for a record."""
    queues = {queue.name: queue for queue in store.queues.all()}
    return views.row(run, store.scripts.now_us(), late_us, why(run, queues.get(run.queue)))


def why(run: Run, queue: WorkQueue | None) -> str | None:
    """In one line, why a run is where it is; the whole story is in explain."""
    if run.problem:
        return run.problem
    if run.state == State.QUEUED:
        return why_queued(run, queue)
    if run.state == State.SCHEDULED:
        return f"due at {views.utc_text(run.due_us)}" + (f", after: {run.reason}" if run.reason else "")
    if run.state == State.PENDING:
        return f"agent {run.agent} is starting it"
    if run.state == State.CANCELLING:
        return f"agent {run.agent} is ending its processes"
    return run.reason or None


def why_queued(run: Run, queue: WorkQueue | None) -> str | None:
    """What a due run waits for."""
    if queue is None:
        return f"work queue {run.queue} does not exist"
    if queue.paused:
        return f"work queue {queue.name} is paused"
    if run.parked is not None:
        return f"waits for a slot of {run.parked}"
    if queue.concurrency_limit is not None and queue.running >= queue.concurrency_limit:
        return f"all {queue.concurrency_limit} slots of {queue.name} are taken"
    return None if queue.agents else f"no agent listens to {queue.name}"


def scene_of(store: Store, run: Run, late_us: int) -> Scene:
    """Read what surrounds a run: its queue, its limits and who holds them, agents, scheduler."""
    now_us = store.scripts.now_us()
    waits = run.state == State.QUEUED
    queue = next((queue for queue in store.queues.all() if queue.name == run.queue), None)
    limits = (queue_limit(run.queue), *run.limits) if waits else ()
    numbers = {name: number for name, number in store.limits.all().items() if name in limits}
    numbers = {name: numbers[name] for name in limits if name in numbers}
    held = {name: len(store.limits.holders(name)) for name in limits if name in numbers or name == run.parked}
    blocking = blocking_limit(run, numbers, held)
    live, gone = agents_of(store, run.queue) if waits else ((), ())
    return Scene(
        run=run,
        name=views.name_of(run),
        now_us=now_us,
        late_us=late_us,
        queue=queue,
        numbers=numbers,
        held=held,
        holders=holders_of(store, blocking) if blocking else (),
        ahead=ahead_of(store, run) if waits else 0,
        agents=live,
        last_agent=max(gone, key=lambda agent: agent.last_heartbeat, default=None),
        scheduler_leads=leads(store, now_us),
        hold_us=hold_us(store, now_us),
    )


def holders_of(store: Store, limit: str) -> tuple[SlotHolder, ...]:
    """The runs that hold a slot of a limit, oldest first."""
    taken = store.limits.holders(limit)[:HOLDERS_SHOWN]
    records = store.records.get_many([run_id for run_id, _ in taken])
    hosts = {agent.name: agent.identity.host for agent in store.presence.all()} if taken else {}
    return tuple(
        SlotHolder(
            run_id=run_id,
            name=views.name_of(run) if run else run_id,
            state=run.state.value if run else "unknown",
            agent=run.agent if run else None,
            host=hosts.get(run.agent or "") if run else None,
            since=from_us(since),
        )
        for (run_id, since), run in zip(taken, records, strict=True)
    )


def agents_of(store: Store, queue: str) -> tuple[tuple[AgentInfo, ...], tuple[AgentInfo, ...]]:
    """The agents that listen to a queue: those alive, and those that are gone."""
    listening = [agent for agent in map(views.agent_info, store.presence.all()) if queue in agent.queues]
    live = tuple(agent for agent in listening if agent.state != LOST)
    return live, tuple(agent for agent in listening if agent.state == LOST)


def ahead_of(store: Store, run: Run) -> int:
    """How many runs of the same line, or of the same parking place, are due before this one."""
    keys = store.keys
    place = keys.parked(run.parked, run.queue) if run.parked else keys.waiting(run.queue)
    return int(store.scripts.ask(lambda client: client.zrank(place, run.id)) or 0)


def leads(store: Store, now_us: int) -> bool:
    """Whether a scheduler is at work."""
    until = store.scripts.ask(lambda client: client.hget(store.keys.leader, "until"))
    return until is not None and int(until) > now_us


def hold_us(store: Store, now_us: int) -> int:
    """For how long no run is given out because Redis has just returned."""
    until = store.scripts.ask(lambda client: client.hget(store.keys.recovery, "no_claims_before"))
    return max(int(until or 0) - now_us, 0)
