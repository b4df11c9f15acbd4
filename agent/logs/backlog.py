"""What runs wrote and Redis has not got yet, per attempt and in order: in memory, or on disk only.

The thread that spools puts lines here, the thread that ships takes them; neither waits for the other. Once lines of an
attempt are on disk only, those after them are, too: they are read back in order. What could not be written to the disk
stays in memory, and the outbox counts it.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.store.tasks import TaskRecord

MEMORY_BYTES = 1 << 19
"""What is held in memory of lines that are on disk; with more waiting, lines are only on disk."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Less waits of an attempt."""

    run_id: str
    attempt: int
    freed: int = 0
    """Bytes of memory that its lines do not take any more."""
    done: int = 0
    """How many batches there were, when all of them are in Redis; else 0."""
    wanted: bool = True
    """False when Redis wants no more of this attempt: the run is another agent's, or forgotten."""


@dataclass(kw_only=True)
class Segment:
    """One spool file, and how much of it is in Redis."""

    name: str
    size: int
    shipped: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """A batch of lines as Redis gets it, and where it stands on disk."""

    body: bytes
    last: int
    memory: int
    """Bytes that the batch takes in memory, about."""
    segment: Segment | None = None
    """None when it is not on disk."""
    frame: int = 0
    """Bytes that it takes on disk."""


@dataclass(kw_only=True)
class OnDisk:
    """Lines that are on disk only: whole frames from `start` to `end`."""

    segment: Segment
    start: int
    end: int


@dataclass(kw_only=True, eq=False)
class Unshipped:
    """What one attempt wrote and Redis has not got yet."""

    run_id: str
    token: int
    attempt: int
    items: deque[Lines | OnDisk] = field(default_factory=deque)
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    taken: int = 0
    """How many batches were put."""
    not_on_disk: int = 0
    """How many waiting batches are in memory only: until they are shipped nothing behind them goes to disk, so that
    what is found there after a crash has no gap."""
    cut: bool = False
    """Redis does not keep all lines of the run: the files are kept."""
    unwanted: bool = False
    """Redis wants no more of this attempt."""
    listed: bool = False


class Backlog:
    """The attempts that have something to ship, taken in turn."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ready: deque[Unshipped] = deque()
        self._memory = 0
        self._leaving = False

    def put(self, log: Unshipped, lines: Lines | None, tasks: Iterable[TaskRecord]) -> bool:
        """Add a batch; true when its lines are not held in memory but on disk only."""
        with self._changed:
            log.taken += 1
            log.tasks.update((task.id, task) for task in tasks)
            on_disk = lines is not None and self._add(log, lines)
            if not log.listed:
                log.listed = True
                self._ready.append(log)
                self._changed.notify()
        return on_disk

    def _add(self, log: Unshipped, lines: Lines) -> bool:
        segment = lines.segment
        if segment is None:
            log.not_on_disk += 1
            log.items.append(lines)
            return False
        last = log.items[-1] if log.items else None
        if not isinstance(last, OnDisk) and self._memory + lines.memory <= MEMORY_BYTES:
            self._memory += lines.memory
            log.items.append(lines)
            return False
        end = segment.size
        if isinstance(last, OnDisk) and last.segment is segment:
            last.end = end
        else:
            log.items.append(OnDisk(segment=segment, start=end - lines.frame, end=end))
        return True

    def next(self) -> Unshipped | None:
        """The attempt whose turn it is, once there is one; None when nothing is left to ship and none will come."""
        with self._changed:
            while not self._ready and not self._leaving:
                self._changed.wait()
            return self._ready.popleft() if self._ready else None

    def take_tasks(self, log: Unshipped) -> tuple[TaskRecord, ...]:
        """The task runs of an attempt that wait; they are its shipper's now."""
        with self._changed:
            tasks, log.tasks = tuple(log.tasks.values()), {}
        return tasks

    def done(self, log: Unshipped, item: Lines | OnDisk | None, shipped: int = 0) -> Progress:
        """Note that the first lines of an attempt are in Redis: a batch, or so many bytes of what is on disk."""
        with self._changed:
            freed = 0
            if isinstance(item, Lines):
                freed = self._drop_first(log, item)
            elif isinstance(item, OnDisk):
                item.start += shipped
                item.segment.shipped += shipped
                if item.start >= item.end:
                    log.items.popleft()
            if log.items or log.tasks:
                self._ready.append(log)
                return Progress(log.run_id, log.attempt, freed)
            log.listed = False
            return Progress(log.run_id, log.attempt, freed, log.taken)

    def discard(self, log: Unshipped) -> Progress:
        """Drop everything of an attempt that Redis does not want."""
        with self._changed:
            log.unwanted, log.listed = True, False
            log.tasks.clear()
            freed = sum(self._drop_first(log, item) for item in list(log.items))
            return Progress(log.run_id, log.attempt, freed, log.taken, wanted=False)

    def leave(self) -> None:
        """Let `next` answer None when nothing is left."""
        with self._changed:
            self._leaving = True
            self._changed.notify()

    def _drop_first(self, log: Unshipped, item: Lines | OnDisk) -> int:
        log.items.popleft()
        if isinstance(item, OnDisk):
            return 0
        if item.segment is None:
            log.not_on_disk -= 1
        else:
            item.segment.shipped += item.frame
            self._memory -= item.memory
        return item.memory
