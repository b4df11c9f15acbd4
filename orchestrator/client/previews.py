"""What will run on a work queue: the runs that wait there, and those that schedules are going to make."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile

from orchestrator.client import views
from orchestrator.client.queue_values import PreviewRun
from orchestrator.client.scenes import around_of, reasons_in_short
from orchestrator.errors import HeadgateError
from orchestrator.runs import run_name
from orchestrator.store import Store
from orchestrator.store.deployments import DeploymentRecord
from orchestrator.store.instants import instants_after, planned, scheduled_id
from orchestrator.store.runs import deployment_id_of, deployment_of
from orchestrator.store.schedules import Standing
from queues.clock import SECOND_US, from_us, score_us
from queues.errors import NewerSchema
from queues.records import Run
from queues.states import State

MOST_WAITING = 1_000
MOST_DELAYED = 10_000
MOST_ROWS = 5_000
"""Rows of one preview; the earliest are shown."""


def preview(store: Store, queue: str, hours: float, late_us: int) -> list[PreviewRun]:
    """The waiting runs of a queue in their order, then those to come, in the order of their times."""
    now_us = store.scripts.now_us()
    until_us = now_us + round(hours * 3600 * SECOND_US)
    waiting = [entry.run_id for entry in store.queues.waiting(queue, MOST_WAITING)]
    delayed = [run_id for run_id, _ in delayed_runs(store, until_us)]
    ids = list(dict.fromkeys((*waiting, *delayed)))
    runs = [run for run in store.records.get_many(ids) if run is not None and run.queue == queue]
    there = {run.id for run in runs}
    waits, later = ([run for run in runs if run.state == state] for state in (State.QUEUED, State.SCHEDULED))
    deployments = [one for one in store.deployments.all() if one.spec["work_queue"] == queue and not one.paused]
    feeds = (to_come(one, now_us, until_us) for one in deployments)
    coming = heapq.merge(*feeds, key=lambda row: row.scheduled_start_time)
    rows = existing(store, later, late_us) + [row for row in islice(coming, MOST_ROWS) if row.run_id not in there]
    rows.sort(key=lambda row: row.scheduled_start_time)
    return (existing(store, waits, late_us) + rows)[:MOST_ROWS]


def delayed_runs(store: Store, until_us: int) -> list[tuple[str, int]]:
    """The runs of all queues that become due until a time."""
    key = store.keys.delayed
    found = store.scripts.ask(
        lambda client: client.zrangebyscore(key, "-inf", until_us, 0, MOST_DELAYED, withscores=True)
    )
    return [(run_id.decode(), score_us(due)) for run_id, due in found]


def existing(store: Store, runs: Sequence[Run], late_us: int) -> list[PreviewRun]:
    """Runs that are there, each with why it waits."""
    around = around_of(store, runs, late_us)
    reasons = reasons_in_short(store, runs, around)
    return [
        PreviewRun(
            scheduled_start_time=from_us(run.due_us),
            run_id=run.id,
            name=views.name_of(run),
            deployment_id=deployment_id_of(run),
            deployment=deployment_of(run),
            late=views.is_late(run, around.now_us, late_us),
            state=run.state.value,
            why=why,
        )
        for run, why in zip(runs, reasons, strict=True)
    ]


def to_come(deployment: DeploymentRecord, now_us: int, until_us: int) -> Iterator[PreviewRun]:
    """The runs that the schedules of a deployment make until a time, in order."""
    return (not_there_yet(deployment, at, slug) for at, slug in instants_to_come(deployment, now_us, until_us))


def instants_to_come(deployment: DeploymentRecord, now_us: int, until_us: int) -> Iterator[tuple[int, str]]:
    """The instants of all schedules of a deployment until a time, in order, each with the slug of its schedule."""
    return heapq.merge(*(schedule_feed(standing, now_us, until_us) for standing in deployment.schedules))


def not_there_yet(deployment: DeploymentRecord, at: int, slug: str) -> PreviewRun:
    """The run that an instant of a schedule will make."""
    run_id = scheduled_id(deployment.id, slug, at)
    return PreviewRun(
        scheduled_start_time=from_us(at),
        run_id=run_id,
        name=run_name(run_id),
        deployment_id=deployment.id,
        deployment=deployment.name,
        late=False,
        state=None,
        why=None,
    )


def schedule_feed(standing: Standing, now_us: int, until_us: int) -> Iterator[tuple[int, str]]:
    """The instants of a schedule: those missed that will still get a run, then the coming ones; none if unreadable."""
    try:
        missed = planned(standing, now_us).instants
        coming = instants_after(standing.text, max(now_us, standing.cursor_us))
    except (HeadgateError, NewerSchema, ValueError):
        return
    for at in missed:
        yield at, standing.slug
    for at in takewhile(lambda at: at <= until_us, coming):
        yield at, standing.slug
