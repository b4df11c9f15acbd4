"""What the client answers about limits and the slots under them; frozen values, as in `values`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.client.values import Change, SlotHolder, Value


@dataclass(frozen=True, kw_only=True)
class Slot(SlotHolder):
    """A slot that is taken. Its lease ends at `lease_until` unless the agent renews it; seconds left may be negative.

    Both are None when the run has no lease: it does not count as held then, and the next repair frees the slot.
    """

    lease_until: datetime | None
    lease_left_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class WorkQueueSlots(Value):
    """The taken slots of a work queue, oldest first. `free` is None without a limit, 0 when more run than it allows."""

    id: str
    name: str
    concurrency_limit: int | None
    running: int
    free: int | None
    holders: tuple[Slot, ...]


@dataclass(frozen=True, kw_only=True)
class TagLimit(Value):
    """The limit of a tag: how many runs that carry it may be executing at once, over all work queues.

    `running` hold a slot of it, `parked` are due and wait until one is free.
    """

    tag: str
    concurrency_limit: int
    running: int
    parked: int


@dataclass(frozen=True, kw_only=True)
class TagLimitDetail(TagLimit):
    """The limit of a tag with everything that `inspect` shows."""

    deployments: tuple[str, ...]
    holders: tuple[Slot, ...]
    changes: tuple[Change, ...]  # newest first


@dataclass(frozen=True, kw_only=True)
class TagLimitSet(TagLimit):
    """Answer of `set_tag_limit`: `status` is created, updated or unchanged, `before` the number before."""

    status: str
    before: int | None


@dataclass(frozen=True, kw_only=True)
class WorkQueueCleared(Value):
    """How many runs of a work queue were found waiting, and how many of them were cancelled."""

    id: str
    name: str
    waiting: int
    cancelled: int


@dataclass(frozen=True, kw_only=True)
class WorkQueueDeleted(Value):
    """A work queue that is gone; `listening_agents` still ask for its runs."""

    id: str
    name: str
    listening_agents: tuple[str, ...]
