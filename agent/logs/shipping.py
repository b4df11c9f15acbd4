"""The thread that ships lines and task runs to Redis, repeating each call until it is answered."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent import events
from agent.logs.backlog import Backlog, Lines, OnDisk, Progress, Unshipped
from agent.logs.spool_disk import SpoolDisk
from agent.logs.spool_file import bodies
from agent.retrying import GivenUp, Patience
from orchestrator.store.run_logs import LogRecord, RunLogs, unpacked
from orchestrator.store.tasks import TaskRecord, Tasks
from queues.errors import HeadgateQueueError

REFUSED = ("lost", "gone")
READ_BYTES = 256 * 1024
"""What is read back from the disk for one call, unless a single batch is larger."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Lines `first` … that were on disk only, and how many bytes they take there."""

    first: int
    records: Sequence[LogRecord]
    size: int


class Shipping(threading.Thread):
    """Takes from the backlog, posts Progress. `rest` is where lines are that Redis does not keep: a folder, or ""."""

    def __init__(
        self,
        backlog: Backlog,
        disk: SpoolDisk | None,
        logs: RunLogs,
        tasks: Tasks,
        *,
        rest: str,
        post: Callable[[Progress], None],
        patience: Patience,
    ) -> None:
        super().__init__(name="shipping", daemon=True)
        self._backlog = backlog
        self._disk = disk
        self._logs = logs
        self._tasks = tasks
        self._rest = rest
        self._post = post
        self._patience = patience

    def run(self) -> None:
        """Ship until the backlog is left and empty, or nothing is repeated any more."""
        try:
            while (log := self._backlog.next()) is not None:
                self._post(self._ship(log))
        except GivenUp:
            return

    def _ship(self, log: Unshipped) -> Progress:
        # Only this thread takes away from the front.
        item = log.items[0] if log.items else None
        read_back = self._read(item) if isinstance(item, OnDisk) else None
        try:
            answer = self._ship_lines(log, read_back or item)
            self._ship_tasks(log.run_id, self._backlog.take_tasks(log))
        except (HeadgateQueueError, ValueError, TypeError, OverflowError) as error:
            # Lines that can not be shipped must not cost the lines after them.
            events.failed(what="ship logs", cause=str(error))
            answer = ""
        if answer in REFUSED:
            return self._backlog.discard(log)
        log.cut = log.cut or answer == "cut"
        return self._backlog.done(log, item, read_back.size if read_back else 0)

    def _ship_lines(self, log: Unshipped, lines: Lines | ReadBack | OnDisk | None) -> str:
        who = log.run_id, log.token, log.attempt
        rest = rest_of(self._rest, log.run_id)
        if isinstance(lines, Lines):
            body, last = lines.body, lines.last
            return self._patience.until_answered("ship logs", lambda: self._logs.append_packed(*who, last, body, rest))
        if isinstance(lines, ReadBack):
            first, records = lines.first, lines.records
            return self._patience.until_answered("ship logs", lambda: self._logs.append(*who, first, records, rest))
        return ""

    def _ship_tasks(self, run_id: str, tasks: Sequence[TaskRecord]) -> None:
        if tasks:
            self._patience.until_answered("ship tasks", lambda: self._tasks.record(run_id, tasks))

    def _read(self, item: OnDisk) -> ReadBack:
        assert self._disk is not None, "what is on disk was written by it"
        name, start, end = item.segment.name, item.start, item.end
        try:
            folder = self._disk.folder()
            found = read_back(folder.read(name, start, min(READ_BYTES, end - start)))
            if not found.size:
                found = read_back(folder.read(name, start, end - start), most=1)
        except (OSError, ValueError) as error:
            found, cause = ReadBack(0, (), 0), str(error)
        else:
            cause = "a damaged frame"
        if found.size:
            return found
        events.spool_damaged(path=f"{self._disk.path}/{name}", cause=cause)
        return ReadBack(0, (), end - start)


def read_back(data: bytes, most: int = 1 << 30) -> ReadBack:
    """The lines of whole frames at the beginning, as far as their numbers follow each other."""
    first, records, size = 0, list[LogRecord](), 0
    for end, body in bodies(data):
        number, more = unpacked(body)
        if most == 0 or (records and number != first + len(records)):
            break
        first = first if records else number
        records += more
        size, most = end, most - 1
    return ReadBack(first, records, size)


def rest_of(folder: str, run_id: str) -> str:
    """Where the lines of a run are that Redis does not keep: `host:path`."""
    return f"{folder}/{run_id}.*" if folder else ""
