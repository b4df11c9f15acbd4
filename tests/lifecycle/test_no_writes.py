"""Redis answers but takes no writes, or nothing new, for longer than a lease: what runs goes on and ends once."""

from __future__ import annotations

import time

import pytest

from tests.support.installation import Installation
from tests.support.waiting import wait_until

FLOW = """
import os, time
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec
@flow
def main():
    here = os.path.dirname(__file__)
    with open(os.path.join(here, "starts"), "a") as file:
        file.write("start\\n")
    print("before")
    while not os.path.exists(os.path.join(here, "go")):
        time.sleep(0.05)
    print("after")
    return "done"
DeploymentSpec(flow=main, name="d", source="path")
"""


@pytest.mark.slow
@pytest.mark.parametrize("restarted", [False, True])
def test_no_run_is_taken_from_a_living_agent_when_redis_takes_writes_again(restarted: bool) -> None:
    with Installation() as here:
        here.deploy(FLOW)
        scheduler = here.start_scheduler()
        for name in ("a1", "a2"):
            here.start_agent(name, "default", limit=1)
        run = here.json("deployment", "run", "main/d")
        starts = here.folder / "starts"
        wait_until(starts.exists, within=20, message=here.role_logs)
        admin = here.redis.client()
        admin.config_set("min-replicas-to-write", 1)
        since = time.monotonic()
        if restarted:
            scheduler.kill()
            scheduler.wait(10)
            here.start_scheduler()
        wait_until(lambda: time.monotonic() - since > 6.0, within=20)
        admin.config_set("min-replicas-to-write", 0)
        since = time.monotonic()
        wait_until(lambda: time.monotonic() - since > 5.0, within=20)
        (here.folder / "go").touch()
        wait_until(lambda: here.states() == {"COMPLETED": 1}, within=20, message=here.role_logs)
        (found,) = here.runs()
        assert (found["id"], found["attempt"], starts.read_text()) == (run["id"], 1, "start\n")
        assert "no scheduler could write for" in here.role_logs()


@pytest.mark.slow
def test_a_run_that_ends_while_redis_has_no_memory_ends_once_with_all_its_lines() -> None:
    with Installation() as here:
        here.deploy(FLOW)
        here.start_scheduler()
        here.start_agent("a1", "default")
        run = here.json("deployment", "run", "main/d")
        wait_until((here.folder / "starts").exists, within=20, message=here.role_logs)
        admin = here.redis.client()
        admin.config_set("maxmemory", 1)
        refused = here.run("deployment", "run", "main/d", check=False)
        (here.folder / "go").touch()
        since = time.monotonic()
        wait_until(lambda: time.monotonic() - since > 5.0, within=20)
        assert here.states() in ({"RUNNING": 1}, {"COMPLETED": 1}), "its lease was renewed"
        admin.config_set("maxmemory", 0)
        wait_until(lambda: here.states() == {"COMPLETED": 1}, within=20, message=here.role_logs)
        (found,) = here.runs()
        assert (found["attempt"], here.log(run["id"])) == (1, ["before", "after"])
        assert refused.returncode == 5 and "memory limit" in refused.stderr
