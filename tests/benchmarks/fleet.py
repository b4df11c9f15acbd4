"""Headgate as it runs: real agents on a Redis of their own, measured from outside."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator

import psutil
import redis as redis_py

from orchestrator.client import Client
from orchestrator.config import Settings
from queues.runs import Runs
from queues.scripts import Scripts
from tests.support.installation import Installation
from tests.support.waiting import wait_until

# An installation of a test has short leases; what is measured here is what users have.
SETTINGS = {"HEADGATE_LEASE_SECONDS": "30", "HEADGATE_RENEW_SECONDS": "5", "HEADGATE_GRACE_SECONDS": "2"}
SLOTS = (1, 2, 4)
FLOWS = """
    import os, time
    from orchestrator import flow
    from orchestrator.deployments import DeploymentSpec

    @flow
    def noop():
        pass

    @flow
    def stamp(pipe: str):
        now = time.monotonic_ns()
        with open(pipe, "w") as out:
            out.write(str(now))

    for slots in (1, 2, 4):
        DeploymentSpec(flow=noop, name=f"slots-{slots}", work_queue=f"bench-{slots}")
    DeploymentSpec(flow=stamp, name="stamp", work_queue="bench-4")
"""


class Fleet:
    """One agent per number of slots, each on a queue of its own, all idle unless measured; and a scheduler."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.redis: redis_py.Redis = installation.redis.client()
        self.runs = Runs(Scripts(self.redis))
        for slots in SLOTS:
            installation.run("work-queue", "create", f"bench-{slots}")
        installation.deploy(FLOWS)
        self.scheduler = installation.start_scheduler()
        self.agents = {n: installation.start_agent(f"bench-{n}", f"bench-{n}", limit=n) for n in SLOTS}
        self.client = Client.from_settings(Settings.load(installation.environment))

    def runs_per_second(self, *, runs: int, slots: int) -> float:
        """No-op flow runs per second, each in a fresh interpreter, from the first claim to the last finish."""
        self.client.pause_work_queue(f"bench-{slots}")
        ids = [self.client.run_deployment(f"noop/slots-{slots}").id for _ in range(runs)]
        self.client.resume_work_queue(f"bench-{slots}")
        wait_until(lambda: self.all_ended(ids), within=120, every=0.1, message=self.installation.role_logs)
        records = [record for record in self.runs.get_many(ids) if record]
        failed = [record.state for record in records if record.state != "COMPLETED"]
        assert not failed, f"expected every run to be COMPLETED, got {failed[:5]}"
        claimed = min(move.at_us for record in records for move in record.history if move.state == "PENDING")
        ended = max(record.history[-1].at_us for record in records)
        return runs / ((ended - claimed) / 1_000_000)

    def all_ended(self, ids: list[str]) -> bool:
        """Whether the last runs of a batch have ended; they are started in order, so looking at the tail is enough."""
        last = self.runs.get_many(ids[-8:])
        return all(record is not None and record.ended_us for record in last)

    def latencies(self, count: int) -> list[float]:
        """Milliseconds from the acknowledged submit to the first line of user code, on an idle agent."""
        pipe = self.installation.folder / "stamp.pipe"
        os.mkfifo(pipe)
        found = []
        for _ in range(count):
            run = self.client.run_deployment("stamp/stamp", {"pipe": str(pipe)})
            acknowledged = time.monotonic_ns()
            found.append((int(pipe.read_text()) - acknowledged) / 1_000_000)
            wait_until(lambda run=run: self.all_ended([run.id]), within=10)
            wait_until(self.idle, within=10)
        pipe.unlink()
        return found

    def idle(self) -> bool:
        """Whether the agent with four slots waits for a wake-up."""
        return self.redis.zscore("{headgate}:idle:bench-4", "bench-4") is not None

    def memory(self) -> dict[str, float]:
        """RSS in MB of a keeper, its supervisor, and the scheduler."""
        keeper, *below = self.installation.family(self.agents[4])
        supervisor = max(below, key=lambda process: process.memory_info().rss)
        scheduler = psutil.Process(self.scheduler.pid)
        processes = {"keeper": keeper, "supervisor": supervisor, "scheduler": scheduler}
        return {name: process.memory_info().rss / 1_000_000 for name, process in processes.items()}

    def idle_commands_per_second(self, seconds: float) -> float:
        """Commands per second that reach Redis from one idle agent; the scheduler is stopped meanwhile."""
        scheduler = psutil.Process(self.scheduler.pid)
        scheduler.suspend()
        try:
            with monitored(self.installation.redis.client()) as lines:
                threading.Event().wait(seconds)
                count = len(lines)
        finally:
            scheduler.resume()
        return count / seconds / len(self.agents)


@contextlib.contextmanager
def monitored(client: redis_py.Redis) -> Iterator[list[str]]:
    """Every command that clients send while the block runs; commands inside scripts are not counted."""
    lines: list[str] = []

    def listen(monitor: object) -> None:
        with contextlib.suppress(redis_py.RedisError, OSError, ValueError):
            for command in monitor.listen():  # type: ignore[attr-defined]
                if command["client_type"] != "lua":
                    lines.append(command["command"])

    with client.monitor() as monitor:
        reader = threading.Thread(target=listen, args=(monitor,), daemon=True)
        reader.start()
        yield lines
        client.connection_pool.disconnect()


@contextlib.contextmanager
def fleet() -> Iterator[Fleet]:
    """A fleet that is ended with everything it started."""
    with Installation(SETTINGS) as installation:
        yield Fleet(installation)
