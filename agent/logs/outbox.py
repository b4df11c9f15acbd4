"""The lines of all runs between being read and being on the disk or in Redis: what they take in memory is bounded."""

from collections.abc import Callable, Sequence

from agent.kernel import boot_time
from agent.logs.backlog import Progress
from agent.logs.batch import AttemptLog, Batch
from agent.logs.spooling import Ended
from agent.loop import Loop
from orchestrator.store.run_logs import LogRecord
from orchestrator.store.tasks import TaskRecord

FULL_BYTES = 8 << 20
"""With more in memory than this, nothing more is read of what runs write."""

ROOM_BYTES = FULL_BYTES // 2
"""Reading goes on when no more than this is left."""


class Outbox:
    """Takes what runs write, hands out batches, says when everything of a run is shipped and when it is full."""

    def __init__(
        self,
        loop: Loop,
        *,
        put: Callable[[Batch | Ended], None],
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

    def add(self, log: AttemptLog, records: Sequence[LogRecord]) -> None:
        """Take lines."""
        self._bytes += log.add(records)
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

    def hear(self, progress: Progress) -> None:
        """Note that less waits of an attempt; should Redis want no more of it, nothing does."""
        log = self._logs.get((progress.run_id, progress.attempt))
        self._bytes -= progress.freed
        if log is not None:
            log.done = max(log.done, progress.done)
            self._bytes -= 0 if progress.wanted else log.discard()
        if self.full and self._bytes <= ROOM_BYTES:
            self.full = False
            self._on_full(False)
        if log is not None:
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
            if log.handed_out:
                self._put(Ended(log.run_id, log.attempt))
        return None

    def _offer(self, log: AttemptLog) -> None:
        key = log.run_id, log.attempt
        now, hurry = boot_time(), key in self._hurried or key in self._closing
        while (batch := log.next_batch(now, hurry=hurry)) is not None:
            self._put(batch)
        if not log.is_handed_out:
            self._loop.call_at(log.not_before, (self, key), lambda: self._offer(log))
