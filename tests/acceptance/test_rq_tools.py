"""Stock rq tools on the same Redis and prefix: they see queues and agents, and whatever they do loses no run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.installation import Installation
from tests.support.waiting import wait_until

FLOWS = """
    import time
    from orchestrator import flow
    from orchestrator.deployments import DeploymentSpec

    @flow
    def short(seconds: float = 0.0): time.sleep(seconds)

    DeploymentSpec(flow=short, name="d", work_queue="etl")
"""


@pytest.fixture
def installation() -> Iterator[Installation]:
    with Installation() as made:
        made.run("work-queue", "create", "etl", "--limit", "1")
        made.deploy(FLOWS)
        made.start_scheduler()
        yield made


def rq(installation: Installation, *words: str) -> str:
    """Run the stock command line of rq."""
    done = subprocess.run(
        [sys.executable, "-m", "rq.cli", *words, "--url", installation.redis.url],
        env=installation.environment | {"RQ_KEY_PREFIX": "{headgate}:rq"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_rq_info_shows_depth_and_agents(installation: Installation) -> None:
    installation.start_agent("worker-1", "etl")
    installation.run("deployment", "run", "short/d", "-p", "seconds=60")
    wait_until(lambda: installation.states() == {"RUNNING": 1}, within=20)
    installation.run("deployment", "run", "short/d")
    wait_until(lambda: "worker-1" in rq(installation, "info", "--raw"), within=20)
    told = rq(installation, "info", "--raw")
    assert "queue etl 1" in told
    assert any("worker-1" in line and "etl" in line for line in told.splitlines())


@pytest.mark.slow
def test_a_stock_worker_and_an_emptied_queue_lose_no_run(installation: Installation) -> None:
    for _ in range(4):
        installation.run("deployment", "run", "short/d")
    taken = rq(installation, "worker", "etl", "--burst")
    assert taken.count("exception raised while executing") >= 4, "each was taken, some again after a repair"
    wait_until(lambda: "queue etl 4" in rq(installation, "info", "--raw"), within=10)
    assert "4 jobs removed from etl queue" in rq(installation, "empty", "etl")
    assert installation.states() == {"QUEUED": 4}
    wait_until(lambda: "queue etl 4" in rq(installation, "info", "--raw"), within=10)
    installation.start_agent("worker-1", "etl")
    wait_until(lambda: installation.states() == {"COMPLETED": 4}, within=30, message=installation.role_logs)
