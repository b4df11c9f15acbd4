"""Redis is killed and started again: nothing that it acknowledged is lost, and runs start right after."""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections import Counter

import structlog

from queues.errors import HeadgateQueueError
from queues.runs import NewRun
from queues.scripts import Scripts
from tests.chaos.proof import Options, Proof
from tests.queues.floor import Floor
from tests.support.installation import Installation
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

TARGET = "Redis killed and restarted with its append-only file: 0 acknowledged runs lost in 100 kills, back in 3 s"
BACK_SECONDS = 3.0
FLOW = """
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec
@flow
def main():
    return 1
DeploymentSpec(flow=main, name="d")
"""


class Writer(threading.Thread):
    """Creates runs without a break, through outages too, and keeps the ids of those that were acknowledged."""

    def __init__(self, server: RedisServer, name: str) -> None:
        super().__init__(daemon=True)
        self._floor = Floor(Scripts(server.client()))
        self._name = name
        self._over = threading.Event()
        self.acked: list[str] = []

    def run(self) -> None:
        """Create until told to leave; a call without an answer may or may not have happened."""
        for number in itertools.count():
            if self._over.is_set():
                return
            run_id = f"{self._name}-{number}"
            try:
                self._floor.runs.create([NewRun(id=run_id, queue="default", actor="a proof")])
                self.acked.append(run_id)
            except HeadgateQueueError:
                self._over.wait(0.01)

    def leave(self) -> None:
        """Create nothing more."""
        self._over.set()
        self.join(10)


def prove(options: Options) -> Proof:
    """Kill Redis 90 times under clients that write, and 10 times under a real scheduler and a real agent."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rng = random.Random(options.seed)
    counted: Counter[str] = Counter()
    lost = lost_under_load(rng, options.count(90), counted)
    with Installation({"HEADGATE_LEASE_SECONDS": "6", "HEADGATE_RENEW_SECONDS": "1"}) as installation:
        back = seconds_until_back(installation, rng, options.count(10), counted)
    measured = f"{lost} of {counted['acknowledged runs']} acknowledged runs lost; a run that was submitted after the "
    measured += f"restart runs after {sorted(back)[len(back) // 2]:.2f} s, {max(back):.2f} s at most"
    counted["acknowledged runs written between kills"] = counted.pop("acknowledged runs")
    return Proof(met=lost == 0 and max(back) <= BACK_SECONDS, measured=measured, occurred=dict(counted))


def lost_under_load(rng: random.Random, kills: int, counted: Counter[str]) -> int:
    """Kill the server of two writers so often; gives how many of the runs that it acknowledged are not there."""
    with RedisServer(append_only=True) as server:
        writers = [Writer(server, f"w{number}") for number in range(2)]
        for writer in writers:
            writer.start()
        for _ in range(kills):
            before = [len(writer.acked) for writer in writers]
            pause, since = rng.uniform(0.05, 0.4), time.monotonic()
            wait_until(lambda: time.monotonic() - since > pause)  # noqa: B023
            server.restart()
            counted["kills of Redis under writers"] += 1
            counted["kills between two acknowledged writes"] += any(
                len(writer.acked) > count for writer, count in zip(writers, before, strict=True)
            )
        for writer in writers:
            writer.leave()
        acked = [run_id for writer in writers for run_id in writer.acked]
        counted["acknowledged runs"] = len(acked)
        floor = Floor(Scripts(server.client()))
        gone = [run_id for run_id, run in zip(acked, floor.runs.get_many(acked), strict=True) if run is None]
        queued = floor.redis.zcard(floor.keys.waiting("default"))
        assert queued >= len(acked) - len(gone), "every run that is there stands in line"
        return len(gone)


def seconds_until_back(
    installation: Installation, rng: random.Random, kills: int, counted: Counter[str]
) -> list[float]:
    """How long after the server answers again a run that is submitted then has begun, under real processes."""
    from orchestrator.client import Client
    from orchestrator.store import Store

    installation.deploy(FLOW)
    installation.start_scheduler()
    installation.start_agent("a1", "default")
    found = []
    for _ in range(kills):
        pause, since = rng.uniform(0.2, 1.5), time.monotonic()
        wait_until(lambda: time.monotonic() - since > pause)  # noqa: B023
        installation.redis.restart()
        answered = time.monotonic()
        client = Client(Store(installation.redis.client()), actor="a proof")
        run = client.run_deployment("d")
        wait_until(lambda: client.get_flow_run(run.id).start_time, within=30, message=installation.role_logs)  # noqa: B023
        found.append(time.monotonic() - answered)
        counted["kills of Redis under a real scheduler and agent"] += 1
    return found
