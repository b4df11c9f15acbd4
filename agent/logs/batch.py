"""Numbering the lines of an attempt and cutting them into batches; pure."""

from collections.abc import Sequence
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
    """The lines of one attempt that were not handed out yet, over all sources in the order they were read."""

    run_id: str
    token: int
    attempt: int
    next_number: int = 1
    not_before: float = 0.0
    handed_out: int = 0
    """How many batches were."""
    done: int = 0
    """So many of them are in Redis for certain."""
    waiting: list[LogRecord] = field(default_factory=list)
    size: int = 0
    """Bytes of the lines that wait."""
    tasks: dict[str, TaskRecord] = field(default_factory=dict)

    def add(self, records: Sequence[LogRecord]) -> int:
        """Take lines; answer the bytes they take."""
        self.waiting += records
        taken = sum(map(size_of, records))
        self.size += taken
        return taken

    def note_task(self, task: TaskRecord) -> None:
        """Take the newest state of a task run; an older one that was not shipped yet is not needed any more."""
        self.tasks[task.id] = task

    @property
    def is_handed_out(self) -> bool:
        """Whether nothing waits for the next batch."""
        return not self.waiting and not self.tasks

    @property
    def is_shipped(self) -> bool:
        """Whether everything is in Redis."""
        return self.is_handed_out and self.done == self.handed_out

    @property
    def last_number(self) -> int:
        """The number of the last line so far."""
        return self.next_number - 1 + len(self.waiting)

    def next_batch(self, now: float, *, hurry: bool = False) -> Batch | None:
        """The next batch, if it is time for one; `hurry` does not wait for more lines."""
        if self.is_handed_out or (now < self.not_before and self.size < BATCH_BYTES and not hurry):
            return None
        count = size = 0
        for record in self.waiting:
            if size > BATCH_BYTES:
                break
            size += size_of(record)
            count += 1
        batch = Batch(
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
        self.size -= size
        self.next_number += count
        self.handed_out += 1
        self.not_before = now + PAUSE_SECONDS
        return batch

    def discard(self) -> int:
        """Drop what waits; answer its bytes."""
        size, self.size = self.size, 0
        self.waiting.clear()
        self.tasks.clear()
        return size


def size_of(record: LogRecord) -> int:
    """The bytes that a line takes in memory and on the wire, about."""
    return RECORD_BYTES + len(record.text)
