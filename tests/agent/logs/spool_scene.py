"""A spool on a real disk and a real Redis, its threads started one by one: without the shipper Redis is away."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import redis as redis_py

from agent.logs.backlog import Backlog, Progress
from agent.logs.batch import Batch
from agent.logs.leavings import Leavings
from agent.logs.shipping import Shipping
from agent.logs.spool_disk import SpoolDisk
from agent.logs.spooling import Ended, Spooling
from agent.messages import SpoolFull
from agent.retrying import Patience
from orchestrator.store.installation import Store
from orchestrator.store.run_logs import LOG, LogRecord
from queues.runs import NewRun
from tests.support.waiting import wait_until

MIB = 1 << 20


def lines(first: int, count: int, size: int = 0) -> tuple[LogRecord, ...]:
    return tuple(LogRecord(1, LOG, 20, f"{number} ".ljust(size, ".")) for number in range(first, first + count))


class SpoolScene:
    """One agent's spool, and what it told."""

    def __init__(self, redis: redis_py.Redis, home: Path, *, agent: str = "a1", quota: int = 64 * MIB) -> None:
        self.store = Store(redis)
        self.disk = SpoolDisk(str(home), "site", agent, quota=quota)
        self.told: list[Any] = []
        self.patience = Patience()
        self.backlog = Backlog()
        self.spooling = Spooling(self.disk, self.backlog, post=self.told.append)
        self.spooling.start()
        self.shipping = Shipping(
            self.backlog,
            self.disk,
            self.store.logs,
            self.store.tasks,
            rest=f"h:{self.disk.kept_path}",
            post=self.told.append,
            patience=self.patience,
        )
        self.put = 0

    def a_run(self) -> str:
        """Make a run."""
        run_id = str(uuid.uuid4())
        self.store.records.create([NewRun(id=run_id, queue="default", actor="a test")])
        return run_id

    def write(self, run_id: str, first: int, count: int, size: int = 0, *, attempt: int = 1) -> None:
        """Hand out a batch as the outbox does."""
        records = lines(first, count, size)
        taken = sum(len(record.text) + 48 for record in records)
        self.spooling.put(
            Batch(run_id=run_id, token=attempt, attempt=attempt, first=first, records=records, tasks=(), size=taken)
        )
        self.put += 1

    def until_written(self) -> None:
        """Wait until the spool has taken everything."""
        wait_until(lambda: sum(files.log.taken for files in self.spooling._files.values()) == self.put)

    def ship(self) -> None:
        """Let Redis be there, and wait until it has everything."""
        if not self.shipping.is_alive():
            self.shipping.start()
        done = lambda: max((told.done for told in self.told if isinstance(told, Progress)), default=0)  # noqa: E731
        wait_until(lambda: done() == self.put, 20)

    def end(self, run_id: str, attempt: int = 1) -> None:
        """The run is over."""
        self.spooling.put(Ended(run_id, attempt))
        wait_until(lambda: (run_id, attempt) not in self.spooling._files)

    def leavings(self, *, keep_seconds: float = 1000.0) -> Leavings:
        """What looks for left files, not started."""
        rest = f"h:{self.disk.kept_path}"
        return Leavings(self.disk, self.store.logs, rest=rest, keep_seconds=keep_seconds, patience=self.patience)

    def numbers(self, run_id: str, attempt: int = 1) -> list[int]:
        """The numbers of an attempt's lines in Redis, in order; each text must be that of its number."""
        found = [line for line in self.store.logs.read(run_id, limit=1_000_000) if line.at.attempt == attempt]
        assert all(line.record.text.split()[0] == str(line.at.sequence) for line in found)
        return [line.at.sequence for line in found]

    def files(self, folder: Path | None = None) -> list[Path]:
        """The files of the spool, or of what is kept."""
        return sorted(path for path in (folder or self.disk.path).glob("*") if path.name not in ("lock", "probe"))

    def freed(self) -> int:
        """Bytes of memory that were given back."""
        return sum(told.freed for told in self.told if isinstance(told, Progress))

    def full(self) -> list[bool]:
        """What was said of the disk."""
        return [told.full for told in self.told if isinstance(told, SpoolFull)]

    def die(self) -> None:
        """End as a killed supervisor does: nothing more is shipped, the lock is free."""
        self.patience.give_up()
        self.spooling.leave()
        self.spooling.join(5)
        self.backlog.leave()
        if self.shipping.is_alive():
            self.shipping.join(5)
        self.disk.folder().close()
