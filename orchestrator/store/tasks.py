"""The task runs of a run: one small field each, written whole whenever a task moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from orchestrator.keys import StoreKeys
from queues.decoding import checked_row, from_msgpack
from queues.errors import BadPayload, NewerSchema
from queues.records import UNREADABLE
from queues.schemas import TASK_RUN, is_newer
from queues.scripts import Scripts

MOST_PER_RUN = 5_000
"""Task runs that a run keeps; a flow that maps over more has them in its log."""

LONGEST_REASON = 200
LARGEST_ROW = 8 << 10
NOTHING = type(None)
ROW = (str, str, (int, NOTHING), (int, NOTHING), (str, NOTHING))


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """A task run as it stands; times in microseconds. `id` is unique within its attempt."""

    id: str
    name: str
    attempt: int
    state: str
    started_us: int | None = None
    ended_us: int | None = None
    reason: str | None = None

    def packed(self) -> bytes:
        """Give the record as its field holds it; the end is kept as a distance, which is shorter."""
        lasted = None if self.ended_us is None or self.started_us is None else self.ended_us - self.started_us
        row = [self.name, self.state, self.started_us, lasted, self.reason and self.reason[:LONGEST_REASON]]
        while row[-1] is None:
            row.pop()
        return bytes(msgpack.packb(row, unicode_errors="replace"))

    @classmethod
    def parse(cls, field: bytes, value: bytes) -> "TaskRecord":
        """Read a field `<attempt>.<id>` and its value."""
        attempt, _, task_id = field.decode("utf-8", "replace").partition(".")
        name, state, started, lasted, reason = task_row(task_id, value)
        ended = None if started is None or lasted is None else started + lasted
        return cls(
            id=task_id,
            name=name,
            attempt=int(attempt) if attempt.isascii() and attempt.isdigit() and len(attempt) < 16 else 0,
            state=state,
            started_us=started,
            ended_us=ended,
            reason=reason,
        )


def task_row(task_id: str, value: bytes) -> list[Any]:
    """The items of a row. What can not be read is shown as a task that says so: the others are listed none the less."""
    try:
        row = from_msgpack(value, most=LARGEST_ROW, longest=16)
        if isinstance(row, tuple) and row and is_newer(row[0], TASK_RUN):
            needs = row[1] if len(row) > 1 and isinstance(row[1], str) else ""
            raise NewerSchema("the task run", needs)
        return checked_row(row, ROW, least=2)
    except (BadPayload, NewerSchema) as problem:
        return [task_id[:128], UNREADABLE, None, None, str(problem)]


class Tasks:
    """Writes and reads the task runs of runs."""

    def __init__(self, scripts: Scripts, keys: StoreKeys) -> None:
        self._scripts = scripts
        self._keys = keys

    def record(self, run_id: str, tasks: Sequence[TaskRecord]) -> None:
        """Write task runs as they stand now; the same again changes nothing. Those of a forgotten run are dropped."""
        rows: dict[str, bytes] = {f"{task.attempt}.{task.id}": task.packed() for task in tasks}
        if rows:
            self._scripts.call("record_tasks", run=run_id, rows=rows, most=MOST_PER_RUN)

    def read(self, run_id: str) -> list[TaskRecord]:
        """List the task runs of all attempts, in the order they started."""
        raw = self._scripts.ask(lambda client: client.hgetall(self._keys.tasks(run_id)))
        tasks = [TaskRecord.parse(field, value) for field, value in raw.items()]
        last = 1 << 62
        return sorted(tasks, key=lambda task: (task.attempt, task.started_us or last, task.id))
