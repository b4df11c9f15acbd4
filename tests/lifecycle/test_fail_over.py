"""Fail-over by real Sentinels, under real roles: everything finds the new master alone, and nothing runs twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import RedisError

from queues.connection import connect
from queues.errors import HeadgateQueueError
from queues.limits import Limits
from queues.states import State
from tests.lifecycle.worksite import Site, is_running
from tests.support.redis_server import RedisServer, die_with_parent
from tests.support.sentinels import Sentinels
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

STEPS = """
from orchestrator import flow
@flow
def main():
    note("started", os.getpid())
    while not os.path.exists(os.path.join(NOTES, "go")):
        time.sleep(0.02)
    note("ended", os.getpid())
"""
LEASES = {"lease_seconds": 15.0, "renew_seconds": 0.5, "grace_seconds": 0.5}
"""Longer than a fail-over takes on a busy machine: who hears nothing for that long has to end its runs."""
SCHEDULER = "from orchestrator.scheduler.process import main; main()"


class Fleet(Site):
    """Agents and a scheduler that know nothing but the address of the Sentinels."""

    def __init__(self, sentinels: Sentinels, folder: Path) -> None:
        self.sentinels = sentinels
        self.url = sentinels.url
        sentinels.client = lambda: connect(sentinels.url, timeout=3.0)  # type: ignore[attr-defined]
        super().__init__(sentinels, folder)  # type: ignore[arg-type]
        self.schedulers: list[subprocess.Popen[bytes]] = []

    def scheduler(self) -> None:
        """Start a scheduler."""
        settings = {"HEADGATE_REDIS_URL": self.url, "HEADGATE_LEASE_SECONDS": "15", "HEADGATE_RENEW_SECONDS": "0.5"}
        with open(self.folder / "agent-scheduler.log", "wb") as log:
            self.schedulers.append(
                subprocess.Popen(
                    [sys.executable, "-c", SCHEDULER],
                    env={**os.environ, **settings, "HEADGATE_GRACE_SECONDS": "0.5"},
                    stderr=log,
                    preexec_fn=die_with_parent,
                )
            )

    def close(self) -> None:
        """Kill the roles."""
        for scheduler in self.schedulers:
            scheduler.kill()
            scheduler.wait(10)
        super().close()

    def states(self, run_ids: list[str]) -> list[State]:
        """Where the runs stand; none while no master serves."""
        try:
            return [self.run(run_id).state for run_id in run_ids]
        except HeadgateQueueError:
            return []

    def opened_windows(self) -> int:
        """How many recovery windows there were."""
        return int(self.store.scripts.redis.hget(self.store.keys.counters, "recoveries") or 0)  # type: ignore[arg-type]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Sentinels(password="pass", sentinel_password="other") as sentinels:
        made = Fleet(sentinels, tmp_path)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.parametrize("how", ["kill -9 of the master", "SENTINEL FAILOVER"])
def test_a_fail_over_costs_a_running_flow_nothing_and_every_replicated_run_ends_once(fleet: Fleet, how: str) -> None:
    fleet.store.queues.create("ml", limit=1, actor="a test")
    fleet.deploy(STEPS, queue="ml")
    fleet.scheduler()
    keepers = [fleet.agent(name, queues=("ml",), **LEASES) for name in ("a1", "a2")]
    run_ids = fleet.submit(4)
    flow = int(fleet.until_noted("started")[0])
    wait_until(lambda: fleet.states(run_ids).count(State.RUNNING) == 1)
    wait_until(fleet.sentinels.in_step, every=0.05)
    old, new = fleet.sentinels.master, fleet.sentinels.replica
    fleet.sentinels.kill_master() if how.startswith("kill") else fleet.sentinels.fail_over()
    fleet.sentinels.until_master_is(new)
    wait_until(lambda: fleet.states(run_ids), 10)
    held = Limits(fleet.store.scripts).holders("queue:ml")
    assert is_running(flow) and len(held) == 1, "the run goes on under its slot"
    wait_until(lambda: fleet.opened_windows() == 1, message="the new master may lack the last writes of the old one")
    if old.process is not None and old.process.poll() is not None:
        old.start()
    until_demoted(old)
    (fleet.folder / "go").touch()
    wait_until(
        lambda: fleet.states(run_ids) == [State.COMPLETED] * 4, 30, message=lambda: fleet.told(run_ids[0]), every=0.1
    )
    assert fleet.notes("started") == fleet.notes("ended") and len(fleet.notes("ended")) == 4, "one at a time, once each"
    assert [fleet.run(run_id).attempt for run_id in run_ids] == [1] * 4
    assert all(keeper.poll() is None for keeper in keepers) and fleet.schedulers[0].poll() is None


def until_demoted(server: RedisServer) -> None:
    """Wait until a master that was replaced knows it: it takes what it is told before, and that is lost, an end too."""

    def is_demoted() -> bool:
        with suppress(RedisError):  # the Sentinels close all its connections when they tell it
            return str(server.client(password="pass").info("replication")["role"]) == "slave"
        return False

    wait_until(is_demoted, 30, every=0.05)


def test_without_sentinels_that_answer_an_agent_is_cut_off_and_ends_its_runs(fleet: Fleet) -> None:
    fleet.deploy(STEPS)
    fleet.agent(lease_seconds=3.0, renew_seconds=0.3)
    (run_id,) = fleet.submit()
    flow = int(fleet.until_noted("started")[0])
    fleet.until(run_id, State.RUNNING)
    for watcher in fleet.sentinels.watchers:
        watcher.kill()
    assert fleet.sentinels.first.process is not None
    fleet.sentinels.first.kill()
    wait_until(lambda: not is_running(flow), 4.0)


def test_a_master_that_is_frozen_is_left_for_the_new_one_and_the_run_is_not_run_twice_at_once(fleet: Fleet) -> None:
    fleet.deploy(STEPS)
    fleet.scheduler()
    fleet.agent(**LEASES)
    (run_id,) = fleet.submit()
    flow = int(fleet.until_noted("started")[0])
    fleet.until(run_id, State.RUNNING)
    wait_until(fleet.sentinels.in_step, every=0.05)
    frozen, new = fleet.sentinels.master, fleet.sentinels.replica
    assert frozen.process is not None
    os.kill(frozen.process.pid, signal.SIGSTOP)
    fleet.sentinels.until_master_is(new)
    os.kill(frozen.process.pid, signal.SIGCONT)
    until_demoted(frozen)
    assert is_running(flow)
    (fleet.folder / "go").touch()
    wait_until(lambda: fleet.states([run_id]) == [State.COMPLETED], 20, message=lambda: fleet.told(run_id), every=0.1)
    assert (fleet.run(run_id).attempt, fleet.notes("started")) == (1, [str(flow)])
