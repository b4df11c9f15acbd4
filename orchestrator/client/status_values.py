"""What `status` answers: an installation on one page; frozen values, as in `values`. Ages and waits are seconds."""

from __future__ import annotations

from datetime import datetime

from orchestrator.client.queue_values import AgentInfo, WorkQueue
from orchestrator.client.values import FlowRun, Reason, Value


class RedisStatus(Value):
    """The Redis of the installation. Memory is in bytes; without a limit it may use all of the machine's."""

    address: str
    version: str
    uptime_seconds: int
    used_memory: int
    memory_limit: int | None


class SchedulerStatus(Value):
    """The scheduler that leads, or the last that did; standbys are not known by name."""

    leads: bool
    host: str | None
    pid: int | None
    since: datetime | None
    last_beat: datetime | None


class QueueStatus(WorkQueue):
    """A work queue: `state` is ready, full, paused or no agent; `oldest_wait_seconds` is that of the first in line."""

    state: str
    oldest_wait_seconds: float | None


class AgentStatus(AgentInfo):
    """An agent, and how long ago it was heard of."""

    heartbeat_age_seconds: float


class FailedRun(Value):
    """A run that failed or crashed, and the first line of why."""

    id: str
    name: str
    deployment: str
    state: str
    state_name: str
    end_time: datetime | None
    agent: str | None
    error: str | None


class Status(Value):
    """An installation at one moment. Counts are of runs; the lists of runs hold the most urgent only."""

    at: datetime
    redis: RedisStatus
    scheduler: SchedulerStatus
    scheduled: int
    queued: int
    late: int
    running: int
    problems: tuple[Reason, ...]
    work_queues: tuple[QueueStatus, ...]
    agents: tuple[AgentStatus, ...]
    late_runs: tuple[FlowRun, ...]  # those that wait longest first
    last_failures: tuple[FailedRun, ...]  # newest first
