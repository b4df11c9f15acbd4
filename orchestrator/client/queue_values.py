"""What the client answers about work queues and agents; frozen values, as in `values`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from orchestrator.client.values import Change, FlowRun, SlotHolder, Value


class WorkQueue(Value):
    """A work queue as listed. `queued` counts every due run that waits, parked ones included.

    `limit_until` is set while the limit was changed for a time only.
    """

    id: str
    name: str
    concurrency_limit: int | None
    paused: bool
    priority: int
    queued: int
    running: int
    late: int
    agents: int
    limit_until: datetime | None


class WorkQueueDetail(WorkQueue):
    """A work queue with everything that `inspect` shows. `limit_then` is what its limit is after `limit_until`."""

    limit_then: int | None
    description: str | None
    lease_seconds: float | None
    on_disconnect: str
    created_time: datetime
    env: Mapping[str, str]  # the variables that its runs get
    agent_names: tuple[str, ...]
    holders: tuple[SlotHolder, ...]
    deployments: tuple[str, ...]
    changes: tuple[Change, ...]  # newest first


class WorkQueueEnvironment(Value):
    """Answer of `set_work_queue_env` and `unset_work_queue_env`: the variables there are now, the names changed."""

    id: str
    name: str
    env: Mapping[str, str]
    changed: tuple[str, ...]


class PreviewRun(Value):
    """A run that waits on a queue, or that a schedule will make: the id and name are those it has or will get."""

    scheduled_start_time: datetime
    run_id: str
    name: str
    deployment_id: str
    deployment: str
    late: bool
    state: str | None  # None while the run does not exist yet
    why: str | None  # why it waits, in short words


class Preparing(Value):
    """What an agent brings onto its machine for a deployment: which part of it, what it does now, since when."""

    deployment: str
    part: str
    what: str
    since: datetime


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
    preparing: tuple[Preparing, ...]
    labels: tuple[str, ...]


class AgentDetail(AgentInfo):
    """An agent with the runs it holds, and what it was asked to do; that under its name, also before it started."""

    queue_prefixes: tuple[str, ...]  # it serves every queue whose name begins so
    started_time: datetime | None
    version: str | None
    runs: tuple[FlowRun, ...]
    changes: tuple[Change, ...]  # newest first
