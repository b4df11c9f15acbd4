"""What a deployment will run: its runs that wait, and those that its schedules are going to make."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from itertools import islice
from typing import Any

from orchestrator.client.deployment_values import DeploymentPreviewRun
from orchestrator.client.previews import existing, instants_to_come, not_there_yet
from orchestrator.client.queue_values import PreviewRun
from orchestrator.errors import HeadgateError
from orchestrator.schedules import Schedule
from orchestrator.schedules.checks import clock_surprises
from orchestrator.schedules.instants import zone_name
from orchestrator.schedules.wall_clock import zone
from orchestrator.store import Store
from orchestrator.store.deployments import DeploymentRecord
from orchestrator.store.instants import schedule_of
from queues.clock import from_us
from queues.errors import NewerSchema
from queues.records import Run
from queues.states import State

MOST_WAITING = 1_000
"""Waiting runs that a preview reads: those that were made first."""
BY_SCHEDULE = "schedule "
"""What the first line in the history of a scheduled run says, before the slug."""

Found = list[tuple[PreviewRun, str | None]]
"""Runs, each with the slug of the schedule that made it or will make it; None for one made by hand."""


def preview_of(
    store: Store, deployment: DeploymentRecord, until_us: int, most: int, late_us: int
) -> list[DeploymentPreviewRun]:
    """The runs of a deployment until a time, at most so many, in the order of their times."""
    now_us = store.scripts.now_us()
    waiting = waiting_runs(store, deployment.id)
    found = list(zip(existing(store, waiting, late_us), map(slug_of, waiting), strict=True))
    there = {run.run_id for run, _ in found}
    if not deployment.paused:
        coming = (
            (not_there_yet(deployment, at, slug), slug) for at, slug in instants_to_come(deployment, now_us, until_us)
        )
        found += islice((pair for pair in coming if pair[0].run_id not in there), most)
    inside = [pair for pair in found if pair[0].scheduled_start_time <= from_us(until_us)]
    inside = sorted(inside, key=lambda pair: pair[0].scheduled_start_time)[:most]
    return told(inside, readable(deployment), from_us(now_us))


def waiting_runs(store: Store, deployment_id: str) -> list[Run]:
    """The runs that no agent has claimed."""
    ids = [run_id for piece in store.runs.waiting_of(deployment_id) for run_id in piece][-MOST_WAITING:]
    runs = store.records.get_many(ids)
    return [run for run in runs if run is not None and run.state in (State.QUEUED, State.SCHEDULED)]


def slug_of(run: Run) -> str | None:
    """The slug of the schedule that made a run."""
    reason = run.history[0].reason if run.history else ""
    return reason.removeprefix(BY_SCHEDULE) if reason.startswith(BY_SCHEDULE) else None


def readable(deployment: DeploymentRecord) -> dict[str, Schedule]:
    """The schedules of a deployment by slug, but for those that can not be read."""
    schedules = {}
    for standing in deployment.schedules:
        try:
            schedules[standing.slug] = schedule_of(standing.text)
        except (HeadgateError, NewerSchema, ValueError):
            continue
    return schedules


def told(found: Found, schedules: Mapping[str, Schedule], now: datetime) -> list[DeploymentPreviewRun]:
    """The runs with what the clock of their schedule's zone shows then, and what is odd about that."""
    end = max((run.scheduled_start_time for run, _ in found), default=now)
    odd = {
        (slug, instant): note
        for slug, schedule in schedules.items()
        for instant, note in clock_surprises(schedule, now, end)
    }
    return [
        DeploymentPreviewRun(
            **plain(run),
            schedule=slug,
            local_start_time=clock_of(schedules.get(slug or ""), run.scheduled_start_time),
            note=odd.get((slug or "", run.scheduled_start_time)),
        )
        for run, slug in found
    ]


def plain(run: PreviewRun) -> dict[str, Any]:
    """The fields of a run."""
    return {field.name: getattr(run, field.name) for field in fields(run)}


def clock_of(schedule: Schedule | None, at: datetime) -> str | None:
    """RFC 3339 in the zone of a schedule; None for a run of none."""
    if schedule is None:
        return None
    return at.astimezone(zone(zone_name(schedule) or "UTC")).isoformat(timespec="seconds")
