"""What the client answers about deployments; frozen values, as in `values`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.client.queue_values import PreviewRun
from orchestrator.client.values import Change, Value


class ScheduleInfo(Value):
    """One schedule of a deployment: its slug, one line of text, and its next instant."""

    slug: str
    kind: str
    text: str
    active: bool
    next_scheduled_time: datetime | None


class SkippedInstants(Value):
    """Instants that made no run, recorded as one range with the reason."""

    at: datetime
    slug: str
    first: datetime
    last: datetime
    count: int
    reason: str


class SentCode(Value):
    """The code of a deployment as it was packed, and how much of it Redis did not have yet."""

    files: int
    bytes: int
    sent_files: int
    sent_bytes: int  # as they travelled, compressed
    notes: tuple[str, ...]  # what was left out of it, and why


class Deployed(Value):
    """Answer of `create_from_specs` for one spec. `name` is `flow/deployment`."""

    id: str
    name: str
    status: str  # "created", "updated" or "unchanged"
    code_version: str | None
    revision: int
    work_queue: str
    work_queue_created: bool
    work_queue_paused: bool
    work_queue_limit: int | None
    concurrency_limit: int | None
    requires: tuple[str, ...]
    listening_agents: tuple[str, ...]
    next_scheduled_times: tuple[datetime, ...]  # the next three, over all its schedules
    schedules: tuple[ScheduleInfo, ...]
    on_lost: str
    max_lost: int
    changes: tuple[str, ...]  # names of the spec's fields that differ from the revision before
    source: Mapping[str, Any]  # kind, and what tells that code from other code
    code: SentCode | None  # None: nothing was packed for it


class Deployment(Value):
    """A deployment as listed. `name` is `flow/deployment`, which every verb accepts."""

    id: str
    name: str
    flow: str
    work_queue: str
    paused: bool
    concurrency_limit: int | None
    tags: tuple[str, ...]
    schedules: tuple[ScheduleInfo, ...]
    next_scheduled_time: datetime | None
    revision: int
    code_version: str | None
    created_time: datetime
    updated_time: datetime


class DeploymentDetail(Deployment):
    """A deployment with everything that `inspect` shows."""

    description: str | None
    source: Mapping[str, Any]
    path: str
    function: str
    working_dir: str | None
    env: Mapping[str, str]  # the variables that its runs get
    limits: Mapping[str, float]  # what its runs may use; only those that are set
    parameters: Mapping[str, Any]
    parameter_schema: Mapping[str, Any]
    retries: int
    retry_delay_seconds: float
    timeout_seconds: float | None
    on_lost: str
    max_lost: int
    requires: tuple[str, ...]
    listening_agents: tuple[str, ...]
    skipped: tuple[SkippedInstants, ...]  # newest first
    changes: tuple[Change, ...]  # newest first


class DeploymentPreviewRun(PreviewRun):
    """A run of one deployment that waits or will be made; `schedule` is a slug, None for a run made by hand."""

    schedule: str | None
    local_start_time: str | None  # what the clock in the zone of its schedule shows, RFC 3339 with the offset there
    note: str | None  # what the clock change of that day does to it


class DeploymentSwitched(Deployment):
    """Answer of `pause_deployment` and `resume_deployment`; `changed` False: it stood so already."""

    changed: bool
    waiting_runs: int  # made before, not claimed yet: a pause does not touch them
    skipped_instants: int  # instants since the pause that make no run


class DeploymentMoved(Value):
    """Answer of `set_work_queue`. Runs that wait elsewhere are still on another work queue."""

    id: str
    name: str
    work_queue: str
    previous_work_queue: str
    changed: bool
    revision: int
    moved_runs: int
    waiting_elsewhere: int


class DeploymentDeleted(Value):
    """Answer of `delete_deployment`: its waiting runs were cancelled, held ones go on, finished ones stay listed."""

    id: str
    name: str
    cancelled_runs: int  # those that would be, in a dry run
    dry_run: bool
