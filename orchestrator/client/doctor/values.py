"""What an examination answers: frozen values whose field names are the JSON keys of `headgate doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from orchestrator.client.values import Value


class Finding(Value):
    """Something worth a word: what it is, where, and the command that changes it or tells more."""

    code: str
    where: str
    message: str
    remedy: str


class Problem(Finding):
    """Something that keeps runs from going as they should, or may lose them."""


class Note(Finding):
    """Something to know of that needs nobody now."""


class ExaminedRedis(Value):
    """The server. `answer_ms` is one round trip; `ahead_seconds` is the clock of this machine, less that of Redis."""

    url: str
    version: str
    role: str
    up_seconds: int
    replicas: int
    memory_used: int  # bytes
    memory_limit: int | None  # bytes
    answer_ms: float
    ahead_seconds: float


class ExaminedScheduler(Value):
    """The scheduler that leads; `last_beat` is when one was at work last."""

    leads: bool
    host: str | None
    pid: int | None
    since: datetime | None
    last_beat: datetime | None


class ExaminedAgent(Value):
    """An agent. `ahead_seconds` is its clock at its last heartbeat, less that of Redis; None when it did not say."""

    name: str
    host: str
    state: str
    version: str | None
    queues: tuple[str, ...]
    running: int
    limit: int
    last_heartbeat: datetime
    ahead_seconds: float | None


class Counted(Value):
    """Something that should not happen: how often it did, and when last (None: by a version that did not note it)."""

    what: str
    count: int
    last: datetime | None


class ExaminedHome(Value):
    """The home folder on this machine; sizes in bytes. `embedded_redis`: whether its Redis is the one examined."""

    path: str
    free: int
    spooled: int
    embedded_redis: bool


class Examination(Value):
    """All that was looked at. `healthy` when there is no problem; notes do not count."""

    healthy: bool
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    persistence: str
    eviction_policy: str
    redis: ExaminedRedis
    scheduler: ExaminedScheduler
    agents: tuple[ExaminedAgent, ...]
    counters: tuple[Counted, ...]
    schemas: Mapping[str, int]
    home: ExaminedHome
    runs_examined: int
    keys_examined: int
    keys: int
