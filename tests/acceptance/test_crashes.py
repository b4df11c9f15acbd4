"""kill -9 of each role in mid-run: nothing is lost, nothing runs twice at once, and the cap holds."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.checker import check
from tests.chaos.history import history_of
from tests.support.installation import Installation, alive
from tests.support.waiting import wait_until

FLOWS = """
    import os, subprocess, time
    from orchestrator import flow
    from orchestrator.deployments import DeploymentSpec

    FOLDER = {folder!r}

    def note(what):
        with open(os.path.join(FOLDER, os.environ["HEADGATE_RUN_ID"]), "a") as notes:
            notes.write(what + chr(10))

    @flow
    def once_slow():
        "Hangs at its first try, with a child of its own; is quick at the second."
        first = not os.path.exists(os.path.join(FOLDER, os.environ["HEADGATE_RUN_ID"]))
        note("start")
        if first:
            child = subprocess.Popen(["sleep", "600"])
            note("hangs")
            time.sleep(600)
        note("end")

    @flow
    def short(seconds: float = 0.2):
        note("start")
        time.sleep(seconds)
        note("end")

    DeploymentSpec(flow=once_slow, name="d", work_queue="ml")
    DeploymentSpec(flow=short, name="d", work_queue="ml")
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation() as made:
        made.run("work-queue", "create", "ml", "--limit", "2")
        made.deploy(FLOWS.format(folder=str(tmp_path)))
        yield made


def notes(folder: Path, run_id: str) -> list[str]:
    path = folder / run_id
    return path.read_text().splitlines() if path.exists() else []


def hang(installation: Installation, folder: Path) -> str:
    """Start the flow that hangs, and return its id once it does."""
    run_id: str = installation.json("deployment", "run", "once_slow/d")["id"]
    wait_until(lambda: "hangs" in notes(folder, run_id), within=20, message=installation.role_logs)
    return run_id


@pytest.mark.slow
def test_a_run_of_a_killed_agent_goes_on_elsewhere_after_its_lease(installation: Installation, tmp_path: Path) -> None:
    installation.start_scheduler()
    agent = installation.start_agent("x", "ml")
    run_id = hang(installation, tmp_path)
    installation.start_agent("y", "ml")
    left = installation.kill_agent(agent)
    killed = time.monotonic()
    assert len(left) >= 2, "the flow and its child were there to be left behind"
    wait_until(lambda: not alive(left), within=3, message=lambda: alive(left))
    wait_until(lambda: installation.states() == {"COMPLETED": 1}, within=15, message=installation.states)
    assert time.monotonic() - killed < 3 + 0.5 + 5
    run = installation.json("flow-run", "inspect", run_id)
    assert (run["attempt"], run["agent"]) == (2, "y")
    assert notes(tmp_path, run_id) == ["start", "hangs", "start", "end"]
    report = check(history_of(installation.redis.client()))
    assert report.violations == 0, report.table()
    assert report.rows["I3"].occurred["leases expired"] == 1


def test_a_restarted_agent_frees_what_it_left_at_once(installation: Installation, tmp_path: Path) -> None:
    installation.environment["HEADGATE_LEASE_SECONDS"] = "60"
    installation.start_scheduler()
    agent = installation.start_agent("x", "ml")
    run_id = hang(installation, tmp_path)
    left = installation.kill_agent(agent)
    installation.start("agent", "start", "-q", "ml", "--name", "x", "--limit", "4")
    restarted = time.monotonic()
    wait_until(lambda: notes(tmp_path, run_id)[2:3] == ["start"], within=20, message=installation.role_logs)
    assert time.monotonic() - restarted < 20, "a lease of a minute was not waited for"
    assert not alive(left)


def test_a_killed_supervisor_is_restarted_by_its_keeper(installation: Installation, tmp_path: Path) -> None:
    installation.start_scheduler()
    agent = installation.start_agent("x", "ml")
    run_id = hang(installation, tmp_path)
    keeper, *below = installation.family(agent)
    supervisor = next(process for process in below if process.ppid() == keeper.pid)
    supervisor.kill()
    wait_until(lambda: not alive(below), within=3, message=lambda: alive(below))
    wait_until(lambda: notes(tmp_path, run_id)[-1] == "end", within=15, message=installation.role_logs)
    assert agent.poll() is None


@pytest.mark.slow
def test_killed_schedulers_and_redis_lose_and_double_nothing(installation: Installation, tmp_path: Path) -> None:
    scheduler = installation.start_scheduler()
    installation.start_agent("x", "ml")
    runs = [installation.json("deployment", "run", "short/d")["id"] for _ in range(6)]
    scheduler.send_signal(signal.SIGKILL)
    scheduler.wait(10)
    installation.start_scheduler()
    installation.redis.restart()
    runs += [installation.json("deployment", "run", "short/d")["id"] for _ in range(6)]
    wait_until(lambda: installation.states() == {"COMPLETED": 12}, within=40, message=installation.role_logs)
    assert [notes(tmp_path, run) for run in runs] == [["start", "end"]] * 12
    report = check(history_of(installation.redis.client()))
    assert report.violations == 0, report.table()
    assert report.rows["I7"].occurred["ends"] == len(runs)


def test_sigterm_lets_runs_end_and_claims_no_more(installation: Installation, tmp_path: Path) -> None:
    installation.start_scheduler()
    agent = installation.start_agent("x", "ml")
    first = installation.json("deployment", "run", "short/d", "-p", "seconds=2")["id"]
    wait_until(lambda: notes(tmp_path, first) == ["start"], within=20)
    agent.send_signal(signal.SIGTERM)
    wait_until(lambda: not installation.has_agent("x"), within=5)
    second = installation.json("deployment", "run", "short/d")["id"]
    assert agent.wait(20) == 0
    assert notes(tmp_path, first) == ["start", "end"]
    assert notes(tmp_path, second) == []
    assert installation.states() == {"COMPLETED": 1, "QUEUED": 1}
