"""What the client answers about limits and the slots under them; frozen values, as in `values`."""

from __future__ import annotations

from datetime import datetime

from orchestrator.client.values import Change, SlotHolder, Value


class Slot(SlotHolder):
    """A slot that is taken. Its lease ends at `lease_until` unless the agent renews it; seconds left may be negative.

    Both are None when the run has no lease: it does not count as held then, and the next repair frees the slot.
    """

    lease_until: datetime | None
    lease_left_seconds: float | None


class WorkQueueSlots(Value):
    """The taken slots of a work queue, oldest first. `free` is None without a limit, 0 when more run than it allows."""

    id: str
    name: str
    concurrency_limit: int | None
    running: int
    free: int | None
    holders: tuple[Slot, ...]


class TagLimit(Value):
    """The limit of a tag: how many runs that carry it may be executing at once, over all work queues.

    `running` hold a slot of it, `parked` are due and wait until one is free.
    """

    tag: str
    concurrency_limit: int
    running: int
    parked: int


class TagLimitDetail(TagLimit):
    """The limit of a tag with everything that `inspect` shows."""

    deployments: tuple[str, ...]
    holders: tuple[Slot, ...]
    changes: tuple[Change, ...]  # newest first


class TagLimitSet(TagLimit):
    """Answer of `set_tag_limit`: `status` is created, updated or unchanged, `before` the number before."""

    status: str
    before: int | None


class WorkQueueCleared(Value):
    """How many runs of a work queue were found waiting, and how many of them were cancelled."""

    id: str
    name: str
    waiting: int
    cancelled: int


class WorkQueueDeleted(Value):
    """A work queue that is gone; `listening_agents` still ask for its runs."""

    id: str
    name: str
    listening_agents: tuple[str, ...]
