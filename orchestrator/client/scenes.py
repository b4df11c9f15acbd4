"""Gathers from Redis what an explanation is made from: for one run everything, for the rows of a list what is cheap."""

from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.client import views
from orchestrator.client.explain import why
from orchestrator.client.explain_agents import missing_code
from orchestrator.client.explain_values import Alone, Around, LastAgent, Scene
from orchestrator.client.explain_waiting import limits_in_order
from orchestrator.client.values import Change, FlowRun, SlotHolder
from orchestrator.store import Store
from orchestrator.store.deployments import revision_of
from orchestrator.store.leader import read_leader
from orchestrator.store.runs import deployment_id_of
from orchestrator.store.specs import Spec
from queues.clock import from_us, score_us, to_us
from queues.errors import BadPayload, NewerSchema
from queues.keys import queue_limit
from queues.records import Run, whole
from queues.states import HELD, State

HOLDERS_SHOWN = 20
LOOKED_AT = 50
"""Runs at the head of a line whose histories tell which agents lack their code."""


def listed(store: Store, runs: Sequence[Run], late_us: int) -> list[FlowRun]:
    """Runs as listed, each with why it is where it is in short words."""
    return [FlowRun(**fields) for fields in rows_of(store, runs, late_us)]


def row_of(store: Store, run: Run, late_us: int) -> dict[str, Any]:
    """The fields of a listed run."""
    return rows_of(store, [run], late_us)[0]


def rows_of(store: Store, runs: Sequence[Run], late_us: int) -> list[dict[str, Any]]:
    """The fields of listed runs, in a number of round trips that does not grow with theirs."""
    around = around_of(store, runs, late_us)
    reasons = reasons_in_short(store, runs, around)
    return [views.row(run, around.now_us, late_us, short) for run, short in zip(runs, reasons, strict=True)]


def reasons_in_short(store: Store, runs: Sequence[Run], around: Around) -> list[str | None]:
    """Why each run is where it is, in short words."""
    ahead = ahead_of(store, runs)
    kin: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        if run.state == State.QUEUED:
            kin.setdefault(code_of(run), []).append(run)
    no_code = {code: missing_code(waiting) for code, waiting in kin.items()}
    return [
        why(
            Scene(
                around=around,
                run=run,
                name=views.name_of(run),
                ahead=ahead.get(run.id, 0),
                no_code=no_code.get(code_of(run), {}),
            )
        )
        for run in runs
    ]


def around_of(store: Store, runs: Sequence[Run], late_us: int) -> Around:
    """Read what all runs have around them; of the limits' holders only those that these runs may wait for."""
    now_us = store.scripts.now_us()
    numbers = store.limits.all()
    recovery = ("no_claims_before", "no_expiry_before", "reason")
    hold, expiry, window = store.scripts.ask(lambda client: client.hmget(store.keys.recovery, recovery))
    return Around(
        now_us=now_us,
        late_us=late_us,
        queues={queue.name: queue for queue in store.queues.all()},
        numbers=numbers,
        held=held_of(store, needed(runs, numbers)),
        agents={agent.name: views.agent_info(agent) for agent in store.presence.all()},
        leader=read_leader(store.scripts, store.keys, now_us),
        hold_us=max(whole(hold) - now_us, 0),
        no_expiry_us=max(whole(expiry) - now_us, 0),
        window=(window or b"").decode("utf-8", "replace"),
    )


def needed(runs: Iterable[Run], numbers: Iterable[str]) -> list[str]:
    """The limits that waiting runs need a slot of, as far as they have a number or are waited for."""
    known, found = set(numbers), dict[str, None]()
    for run in runs:
        if run.state == State.QUEUED:
            found |= dict.fromkeys(one for one in (queue_limit(run.queue), *run.limits) if one in known)
            found |= {run.parked: None} if run.parked is not None else {}
    return list(found)


def held_of(store: Store, limits: Sequence[str]) -> dict[str, int]:
    """How many runs hold a slot of each limit."""
    keys = store.keys
    counts = store.scripts.ask_many(lambda pipe: [pipe.zcard(keys.holders(limit)) for limit in limits])
    return {limit: int(count) for limit, count in zip(limits, counts, strict=True)}


def ahead_of(store: Store, runs: Sequence[Run]) -> dict[str, int]:
    """How many runs of the same line, or of the same parking place, are due before each waiting one."""
    keys = store.keys
    waiting = [run for run in runs if run.state == State.QUEUED]
    places = [keys.parked(run.parked, run.line) if run.parked else keys.waiting(run.line) for run in waiting]

    def read(pipe: Any) -> None:
        for run, place in zip(waiting, places, strict=True):
            pipe.zrank(place, run.id)

    ranks = store.scripts.ask_many(read)
    return {run.id: int(rank or 0) for run, rank in zip(waiting, ranks, strict=True)}


# ------------------------------------------------------------------- one run
def scene_of(store: Store, run: Run, late_us: int) -> Scene:
    """Read everything that surrounds a run: its queue, its limits and who holds them, agents, scheduler, spec."""
    around = around_of(store, [run], late_us)
    waits = run.state == State.QUEUED
    limits = limits_in_order(run, around) if waits else []
    spec = spec_of(store, run)
    queue = around.queues.get(run.queue)
    return Scene(
        around=around,
        run=run,
        name=views.name_of(run),
        ahead=ahead_of(store, [run]).get(run.id, 0),
        no_code=missing_code(kin_of(store, run)) if waits else {},
        holders=holders_of(store, limits[0]) if limits else (),
        paused_by=paused_by(store, run.queue) if waits and queue and queue.paused else None,
        deployment_paused=not run.is_terminal and is_paused(store, run),
        path=str(spec["path"]) if spec and spec.get("path") else None,
        timeout_seconds=spec.get("timeout_seconds") if spec else None,
        alone=alone_of(store, run) if waits and run.alone == "wanted" else None,
        lease_us=lease_of(store, run, around.now_us) if run.state in HELD else None,
        last_agent=last_agent(store, around, run.queue) if waits and not around.listening(run.queue) else None,
    )


def last_agent(store: Store, around: Around, queue: str) -> LastAgent | None:
    """Who listened to a queue last: one that is lost and still listed, or one that has left."""
    found = [
        LastAgent(name=one.name, host=one.host, at_us=to_us(one.last_heartbeat), ended=False)
        for one in around.agents.values()
        if queue in one.queues
    ]
    left = store.presence.last(queue)
    if left is not None:
        asked = left.request and f"{left.request} by {asked_by(store, left.name)}"
        found.append(LastAgent(name=left.name, host=left.host, at_us=left.at_us, ended=True, asked=asked))
    return max(found, key=lambda one: one.at_us, default=None)


def asked_by(store: Store, agent: str) -> str:
    """Who asked an agent to end, as long as that is on record."""
    return next((change.actor for change in store.changes.of(f"agent:{agent}", 1)), "somebody")


def holders_of(store: Store, limit: str, most: int | None = HOLDERS_SHOWN) -> tuple[SlotHolder, ...]:
    """The runs that hold a slot of a limit, oldest first; all of them when `most` is None."""
    taken = store.limits.holders(limit)[:most]
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


def kin_of(store: Store, run: Run) -> list[Run]:
    """The run, and those at the head of its line that need the same code: what became of them awaits it too."""
    head = [entry.run_id for entry in store.queues.waiting(run.queue, LOOKED_AT) if entry.run_id != run.id]
    others = [one for one in store.records.get_many(head) if one is not None]
    return [run, *(one for one in others if code_of(one) == code_of(run))]


def code_of(run: Run) -> tuple[str, int]:
    """What code a run needs: its deployment's, of its revision."""
    return deployment_id_of(run), revision_of(run)


def paused_by(store: Store, queue: str) -> Change | None:
    """Who paused a queue, as long as that is on record."""
    changes = (change for change in store.changes.of(queue_limit(queue)) if change.field == "paused")
    newest = next(changes, None)
    return views.change(newest) if newest is not None and newest.new == "1" else None


def is_paused(store: Store, run: Run) -> bool:
    """Whether the schedules of a run's deployment are switched off."""
    key = store.keys.deployment(deployment_id_of(run))
    return bool(store.scripts.ask(lambda client: client.hget(key, "paused")) == b"1")


def spec_of(store: Store, run: Run) -> Spec | None:
    """What a run was made from; None when that is gone or can not be read here."""
    try:
        return store.spec_of(run)
    except (NewerSchema, BadPayload):
        return None


def alone_of(store: Store, run: Run) -> Alone | None:
    """Which agent empties itself for a run that is to be tried alone (claim.lua)."""
    found = store.scripts.ask(lambda client: client.hget(store.keys.alone, run.id))
    since, _, rest = (found or b"").decode("utf-8", "replace").partition(" ")
    agent = rest.partition(" ")[0]
    return Alone(since_us=whole(since), agent=agent) if agent else None


def lease_of(store: Store, run: Run, now_us: int) -> int | None:
    """How long the lease of a held run lasts from now on; None without one."""
    ends = store.scripts.ask(lambda client: client.zscore(store.keys.leases, run.id))
    return None if ends is None else score_us(ends) - now_us
