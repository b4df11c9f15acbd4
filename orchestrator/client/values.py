"""What the client answers: frozen values whose field names are the JSON keys of the command line.

Times are aware datetimes in UTC; `to_json()` writes them as RFC 3339 with a `Z`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any


def as_json(value: Any) -> Any:
    """`value` made of what JSON knows: dataclasses become maps, datetimes RFC 3339 UTC text, tuples lists."""
    if isinstance(value, Value):
        return value.to_json()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return value


class Value:
    """A frozen dataclass that knows its JSON form: its own field names, in their order."""

    def to_json(self) -> dict[str, Any]:
        return {field.name: as_json(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Change(Value):
    """One change by an operator: who changed what, from what, to what."""

    at: datetime
    who: str
    what: str
    old: str | None
    new: str | None


@dataclass(frozen=True, kw_only=True)
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
    listening_agents: tuple[str, ...]
    next_scheduled_times: tuple[datetime, ...]  # the next three, over all its schedules
    schedules: tuple[ScheduleInfo, ...]
    on_lost: str
    max_lost: int
    changes: tuple[str, ...]  # names of the spec's fields that differ from the revision before


@dataclass(frozen=True, kw_only=True)
class ScheduleInfo(Value):
    """One schedule of a deployment: its slug, one line of text, and its next instant."""

    slug: str
    kind: str
    text: str
    active: bool
    next_scheduled_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class SkippedInstants(Value):
    """Instants that made no run, recorded as one range with the reason."""

    at: datetime
    slug: str
    first: datetime
    last: datetime
    count: int
    reason: str


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class DeploymentDetail(Deployment):
    """A deployment with everything that `inspect` shows."""

    description: str | None
    path: str
    function: str
    working_dir: str | None
    parameters: Mapping[str, Any]
    parameter_schema: Mapping[str, Any]
    retries: int
    retry_delay_seconds: float
    timeout_seconds: float | None
    on_lost: str
    max_lost: int
    listening_agents: tuple[str, ...]
    skipped: tuple[SkippedInstants, ...]  # newest first
    changes: tuple[Change, ...]  # newest first


@dataclass(frozen=True, kw_only=True)
class FlowRun(Value):
    """A flow run as listed. `deployment` is `flow/deployment`; `why` says in one line why it is where it is."""

    id: str
    name: str
    flow: str
    deployment: str
    state: str
    state_name: str
    work_queue: str
    scheduled_start_time: datetime
    start_time: datetime | None
    end_time: datetime | None
    attempt: int
    agent: str | None
    why: str | None


@dataclass(frozen=True, kw_only=True)
class StateMove(Value):
    """One move of a run's history."""

    timestamp: datetime
    state: str
    actor: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class TaskRun(Value):
    """One task run inside a flow run, of one attempt of it."""

    id: str
    name: str
    attempt: int
    state: str
    start_time: datetime | None
    end_time: datetime | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class FlowRunDetail(FlowRun):
    """A flow run with everything that `inspect` shows. `result` is the decoded JSON value of the flow."""

    deployment_id: str
    revision: int
    code_version: str | None
    created_by: str
    tags: tuple[str, ...]
    retry_of: str | None
    parameters: Mapping[str, Any]
    state_history: tuple[StateMove, ...]
    exit_code: int | None
    signal: str | None
    reason: str | None
    error: str | None  # the traceback of a failed run, as text
    result: Any
    tasks: tuple[TaskRun, ...]


@dataclass(frozen=True, kw_only=True)
class Cancelled(Value):
    """Answer of `cancel`: `state` is CANCELLED at once for a waiting run, CANCELLING for a held one."""

    id: str
    name: str
    state_before: str
    state: str


@dataclass(frozen=True, kw_only=True)
class LogLine(Value):
    """One line of a run's log. `source` is `log`, `stdout` or `stderr`; a gap has `source == "gap"`.

    Order is (attempt, sequence); sequence counts from 1 in each attempt. `position` names the line to `read_logs`.
    """

    timestamp: datetime
    attempt: int
    sequence: int
    level: int
    source: str
    logger: str | None
    task: str | None
    message: str
    position: str


@dataclass(frozen=True, kw_only=True)
class WorkQueue(Value):
    """A work queue as listed. `queued` counts every due run that waits, parked ones included."""

    id: str
    name: str
    concurrency_limit: int | None
    paused: bool
    priority: int
    queued: int
    running: int
    late: int
    agents: int


@dataclass(frozen=True, kw_only=True)
class SlotHolder(Value):
    """A run that holds a slot of a limit, and since when."""

    run_id: str
    name: str
    state: str
    agent: str | None
    since: datetime


@dataclass(frozen=True, kw_only=True)
class WorkQueueDetail(WorkQueue):
    """A work queue with everything that `inspect` shows."""

    description: str | None
    lease_seconds: float | None
    on_disconnect: str
    created_time: datetime
    agent_names: tuple[str, ...]
    holders: tuple[SlotHolder, ...]
    deployments: tuple[str, ...]
    changes: tuple[Change, ...]  # newest first


@dataclass(frozen=True, kw_only=True)
class PreviewRun(Value):
    """A run that waits on a queue, or that a schedule will make: the id and name are those it has or will get."""

    scheduled_start_time: datetime
    run_id: str
    name: str
    deployment_id: str
    deployment: str
    late: bool
    state: str | None  # None while the run does not exist yet


@dataclass(frozen=True, kw_only=True)
class AgentInfo(Value):
    """An agent. `state` is what it says of itself, or `lost` when it has been silent for longer than its lease."""

    id: str
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    limit: int
    running: int
    state: str
    last_heartbeat: datetime


@dataclass(frozen=True, kw_only=True)
class AgentDetail(AgentInfo):
    """An agent with the runs it holds."""

    started_time: datetime | None
    version: str | None
    runs: tuple[FlowRun, ...]


@dataclass(frozen=True, kw_only=True)
class Reason(Value):
    """One reason why a run is not running: a code for scripts, a sentence, and the command that changes it."""

    code: str
    text: str
    command: str | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation(Value):
    """Why a run is not running (or that it is). The first reason is the one to act on."""

    id: str
    name: str
    state: str
    state_name: str
    summary: str
    reasons: tuple[Reason, ...]
    holders: tuple[SlotHolder, ...]


@dataclass(frozen=True, kw_only=True)
class DeploymentDeleted(Value):
    """Answer of `delete_deployment`: its waiting runs were cancelled, held ones go on, finished ones stay listed."""

    id: str
    name: str
    cancelled_runs: int
