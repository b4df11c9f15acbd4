"""The lines of all runs between being read and being in Redis: bounded, one batch per run on its way at a time."""

from collections.abc import Callable, Iterable

from agent.kernel import boot_time
from agent.logs.batch import AttemptLog, Batch
from agent.loop import Loop
from orchestrator.store.run_logs import LogRecord
from orchestrator.store.tasks import TaskRecord

FULL_BYTES = 8 << 20
"""With more waiting than this, nothing more is read of what runs write."""

ROOM_BYTES = FULL_BYTES // 2
"""Reading goes on when no more than this is left."""


class Outbox:
    """Takes what runs write, hands out batches, says when everything of a run is shipped and when it is full."""

    def __init__(
        self,
        loop: Loop,
        *,
        put: Callable[[Batch], None],
        on_shipped: Callable[[str], None],
        on_full: Callable[[bool], None],
    ) -> None:
        self._loop = loop
        self._put = put
        self._on_shipped = on_shipped
        self._on_full = on_full
        self._logs: dict[tuple[str, int], AttemptLog] = {}
        self._hurried: set[tuple[str, int]] = set()
        self._closing: set[tuple[str, int]] = set()
        self._bytes = 0
        self.full = False

    def open(self, run_id: str, token: int, attempt: int) -> AttemptLog:
        """Begin the log of an attempt."""
        log = AttemptLog(run_id=run_id, token=token, attempt=attempt)
        self._logs[run_id, attempt] = log
        return log

    def add(self, log: AttemptLog, records: Iterable[LogRecord]) -> None:
        """Take lines."""
        self._bytes += sum(log.add(record) for record in records)
        if self._bytes > FULL_BYTES and not self.full:
            self.full = True
            self._on_full(True)
        self._offer(log)

    def note_task(self, log: AttemptLog, task: TaskRecord) -> None:
        """Take the state of a task run."""
        log.note_task(task)
        self._offer(log)

    def hurry(self, log: AttemptLog) -> None:
        """Ship what is there without waiting for more, and say when it is done."""
        self._hurried.add((log.run_id, log.attempt))
        self._go_on(log)

    def close(self, log: AttemptLog) -> None:
        """The run is over: what is still here is shipped, then the log is forgotten."""
        self._closing.add((log.run_id, log.attempt))
        self._go_on(log)

    def shipped(self, run_id: str, attempt: int, *, wanted: bool) -> None:
        """Note that a batch arrived; `wanted` False: Redis wants no more of this attempt."""
        log = self._logs.get((run_id, attempt))
        if log is None:
            return
        self._bytes -= log.shipped()
        if not wanted:
            self._bytes -= log.discard()
        if self.full and self._bytes <= ROOM_BYTES:
            self.full = False
            self._on_full(False)
        self._go_on(log)

    @property
    def is_empty(self) -> bool:
        """Whether everything is in Redis."""
        return all(log.is_shipped for log in self._logs.values())

    def _go_on(self, log: AttemptLog) -> None:
        key = log.run_id, log.attempt
        if not log.is_shipped:
            return self._offer(log)
        if key in self._hurried:
            self._hurried.discard(key)
            self._on_shipped(log.run_id)
        if key in self._closing:
            self._closing.discard(key)
            del self._logs[key]
        return None

    def _offer(self, log: AttemptLog) -> None:
        key = log.run_id, log.attempt
        now = boot_time()
        batch = log.next_batch(now, hurry=key in self._hurried or key in self._closing)
        if batch is not None:
            self._put(batch)
        elif log.on_its_way is None and not log.is_shipped:
            self._loop.call_at(log.not_before, (self, key), lambda: self._offer(log))
