"""Numbering the lines of an attempt and cutting them into batches, one on its way at a time; pure."""

from dataclasses import dataclass, field

from orchestrator.store.run_logs import LogRecord
from orchestrator.store.tasks import TaskRecord

BATCH_BYTES = 128 * 1024
PAUSE_SECONDS = 0.02
"""How long lines are gathered before the next batch, so that a chatty flow does not make a call per line."""

RECORD_BYTES = 48
"""What a record takes beside its text, about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one call ships: lines `first`, `first + 1` … of an attempt, and task runs as they stand."""

    run_id: str
    token: int
    attempt: int
    first: int
    records: tuple[LogRecord, ...]
    tasks: tuple[TaskRecord, ...]
    size: int


@dataclass(kw_only=True)
class AttemptLog:
    """The lines of one attempt that are not in Redis yet, over all sources in the order they were read."""

    run_id: str
    token: int
    attempt: int
    next_number: int = 1
    not_before: float = 0.0
    on_its_way: Batch | None = None
    waiting: list[LogRecord] = field(default_factory=list)
    tasks: dict[str, TaskRecord] = field(default_factory=dict)

    def add(self, record: LogRecord) -> int:
        """Take a line; answer the bytes it takes until it is shipped."""
        self.waiting.append(record)
        return size_of(record)

    def note_task(self, task: TaskRecord) -> None:
        """Take the newest state of a task run; an older one that was not shipped yet is not needed any more."""
        self.tasks[task.id] = task

    @property
    def is_shipped(self) -> bool:
        """Whether everything is in Redis."""
        return self.on_its_way is None and not self.waiting and not self.tasks

    def next_batch(self, now: float, *, hurry: bool = False) -> Batch | None:
        """The next batch, if none is on its way and it is time for one; `hurry` does not wait for more lines."""
        if self.on_its_way is not None or not (self.waiting or self.tasks) or (now < self.not_before and not hurry):
            return None
        count = size = 0
        for record in self.waiting:
            if size > BATCH_BYTES:
                break
            size += size_of(record)
            count += 1
        self.on_its_way = Batch(
            run_id=self.run_id,
            token=self.token,
            attempt=self.attempt,
            first=self.next_number,
            records=tuple(self.waiting[:count]),
            tasks=tuple(self.tasks.values()),
            size=size,
        )
        del self.waiting[:count]
        self.tasks.clear()
        self.next_number += count
        self.not_before = now + PAUSE_SECONDS
        return self.on_its_way

    def shipped(self) -> int:
        """Note that the batch on its way arrived, or never will; answer its bytes."""
        batch, self.on_its_way = self.on_its_way, None
        return batch.size if batch else 0

    def discard(self) -> int:
        """Drop what is not on its way; answer its bytes."""
        size = sum(size_of(record) for record in self.waiting)
        self.waiting.clear()
        self.tasks.clear()
        return size


def size_of(record: LogRecord) -> int:
    """The bytes that a line takes in memory and on the wire, about."""
    return RECORD_BYTES + len(record.text)
