"""The task runs of a run: one small field each, written whole whenever a task moves."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgpack

from orchestrator.store.keys import StoreKeys
from queues.scripts import Scripts

MOST_PER_RUN = 5_000
"""Task runs that a run keeps; a flow that maps over more has them in its log."""

LONGEST_REASON = 200


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
        row = [*msgpack.unpackb(value, unicode_errors="replace"), None, None, None][:5]
        name, state, started, lasted, reason = row
        ended = None if started is None or lasted is None else started + lasted
        return cls(
            id=task_id,
            name=name,
            attempt=int(attempt),
            state=state,
            started_us=started,
            ended_us=ended,
            reason=reason,
        )


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
