"""Stock rq on the same Redis server: `rq worker` as it comes, a fork per job, in a database of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rules.source_files import ROOT
from tests.support.redis_server import RedisServer
from tests.support.roles import started
from tests.support.rq_tools import PROGRAM
from tests.support.waiting import wait_until

QUEUES = {"one": 1, "four": 4}
"""How many workers each queue has."""


class StockRq:
    """Waiting workers, on queues of their own."""

    def __init__(self, redis: RedisServer, folder: Path) -> None:
        self.url = f"{redis.url}?db=1"
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RQ_")}
        self.environment["PYTHONPATH"] = str(ROOT)
        self.workers = [self._worker(queue) for queue, count in QUEUES.items() for _ in range(count)]
        wait_until(self._all_listen, within=30, message=self.log)

    def jobs_per_second(self, queue: str, count: int) -> float:
        """No-op jobs per second of the queue's workers."""
        return float(self._user(queue, "rate", str(count)))

    def latencies(self, count: int) -> list[float]:
        """Milliseconds from the acknowledged enqueue to the first line of a job, one waiting worker."""
        pipe = self.folder / "rq.pipe"
        os.mkfifo(pipe)
        found = self._user("one", "latency", str(count), str(pipe))
        pipe.unlink()
        return [float(value) for value in found]

    def close(self) -> None:
        """End the workers, by their process ids."""
        for worker in self.workers:
            worker.kill()
            worker.wait(10)

    def log(self) -> str:
        """What the workers printed last, for messages."""
        return self._printed()[-2000:]

    def _all_listen(self) -> bool:
        return self._printed().count("Listening on ") >= len(self.workers)

    def _printed(self) -> str:
        return (self.folder / "rq.log").read_text(errors="replace")

    def _worker(self, queue: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", PROGRAM, "worker", "-u", self.url, queue]
        return started(words, environment=self.environment, log=self.folder / "rq.log")

    def _user(self, *words: str) -> Any:
        command = [sys.executable, "-m", "tests.benchmarks.rq_user", self.url, *words]
        done = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stderr}\n{self.log()}"
        return json.loads(done.stdout)


@contextmanager
def stock_rq(redis: RedisServer, folder: Path) -> Iterator[StockRq]:
    """Stock workers that are ended afterwards."""
    workers = StockRq(redis, folder)
    try:
        yield workers
    finally:
        workers.close()
