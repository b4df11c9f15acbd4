"""Agents and schedulers of the version before and of this one share a Redis under kills: none lost, none twice."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.deployments import deployment_id
from orchestrator.store.installation import Store
from orchestrator.store.runs import Wishes, new_run
from queues.states import TERMINAL
from tests.chaos.checker import check
from tests.chaos.history import history_of
from tests.support.deployments import spec
from tests.support.installation import ROOT, Installation
from tests.support.waiting import wait_until

BEFORE = "2e7b9c9"
"""The last commit of the version before: its records and scripts are what this version has to get along with."""
AWARE = "fdec71b"
"""The first commit that leaves alone what it is too old for."""
BEFORE_LABELS = "5264277"
"""The last commit that knew no labels; it knows schemas, by which it leaves alone what requires one."""
RUNS, LIMIT, KILLS = 90, 3, 6
FLOW = """
import os, time
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec
@flow
def main():
    with open("started", "a") as file:
        file.write(os.environ["HEADGATE_RUN_ID"] + "\\n")
    time.sleep(0.2)
DeploymentSpec(flow=main, name="d", work_queue="ml", max_lost=9, source="path")
"""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the version before."""
    return tree_of(BEFORE, tmp_path_factory.mktemp("before"))


def tree_of(commit: str, folder: Path) -> Path:
    """The files of a commit, in a folder."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True)
    if packed.returncode:
        pytest.skip(f"NOT SHOWN: the commit {commit} is not here (a shallow clone?): {packed.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


@pytest.fixture
def both(before: Path) -> Iterator[Both]:
    with Both(before) as made:
        yield made


class Both(Installation):
    """An installation whose roles are of either version."""

    def __init__(self, before: Path) -> None:
        super().__init__()
        self.before = before
        self.store = Store(self.redis.client())

    def role(self, old: bool, *words: str) -> subprocess.Popen[bytes]:
        """Start a role of one of the versions."""
        now = self.environment
        self.environment = {**now, "PYTHONPATH": str(self.before)} if old else now
        try:
            return self.start(*words)
        finally:
            self.environment = now

    def agent(self, name: str, old: bool, *words: str) -> subprocess.Popen[bytes]:
        """Start an agent and see that it is of the version meant: only this one says its schema."""
        redis, key = self.store.scripts.redis, self.store.keys.agent(name)
        earlier = redis.hget(key, "instance")
        role = self.role(old, "agent", "start", "-q", "ml", "--name", name, "--limit", "2", *words)
        wait_until(lambda: redis.hget(key, "instance") not in (None, earlier), 30, message=self.role_logs)
        assert (redis.hget(key, "schema") is None) is old
        return role

    def submit(self, count: int, *requires: str) -> list[str]:
        """Make runs of the one deployment."""
        (deployment,) = self.store.deployments.all()
        runs = [
            new_run(deployment, str(uuid.uuid4()), actor="a test", own=Wishes(requires=requires)) for _ in range(count)
        ]
        self.store.records.create(runs)
        return [run.id for run in runs]

    def ended(self, runs: list[str]) -> int:
        """How many of the runs have ended."""
        return sum(run is not None and run.state in TERMINAL for run in self.store.records.get_many(runs))


def test_the_tree_of_the_version_before_is_what_its_roles_import(before: Path) -> None:
    code = "import queues, agent, orchestrator; print(queues.__file__, agent.__file__, orchestrator.__file__)"
    said = subprocess.run(
        [sys.executable, "-P", "-c", code], env={"PYTHONPATH": str(before)}, capture_output=True, text=True
    )
    assert [Path(path).parent.parent for path in said.stdout.split()] == [before] * 3


READING = """
import sys, redis
from orchestrator.store import Store
from queues.errors import NewerSchema
store = Store(redis.Redis.from_url(sys.argv[1]))
for one in store.deployments.all():
    try:
        print(one.name, store.deployments.spec(one.id, one.revision)["path"])
    except NewerSchema as newer:
        print(one.name, newer)
"""


def test_an_older_version_never_takes_code_at_a_path_for_that_of_a_bundle(
    redis_url: str, redis: Any, tmp_path: Path
) -> None:
    bundle = {"kind": "bundle", "digest": "0" * 64, "files": 1, "bytes": 1}
    store = Store(redis)
    for name, source in (("travels", bundle), ("stays", {"kind": "path"})):
        made = spec(name=name, source=source)
        store.deployments.put(deployment_id("score", name), made, [], "a test")
    told = subprocess.run(
        [sys.executable, "-P", "-c", READING, redis_url],
        env={"PYTHONPATH": str(tree_of(AWARE, tmp_path))},
        capture_output=True,
        text=True,
    )
    stays, travels = told.stdout.splitlines()
    assert stays == "score/stays /srv/flows/score.py", told.stderr
    assert travels.startswith("score/travels ") and "needs headgate >= " in travels


@pytest.mark.slow
@pytest.mark.parametrize("old_scheduler", [True, False], ids=["scheduler of before", "scheduler of now"])
def test_both_versions_work_side_by_side_under_kills(both: Both, old_scheduler: bool) -> None:
    both.store.queues.create("ml", limit=LIMIT)
    both.deploy(FLOW)
    both.role(old_scheduler, "scheduler", "start")
    agents = {name: both.agent(name, old=name.startswith("old")) for name in ("old-1", "new-1", "old-2", "new-2")}
    runs = both.submit(RUNS)
    for number in range(KILLS):
        due = RUNS * (number + 1) // (KILLS + 2)
        wait_until(lambda due=due: both.ended(runs) >= due, 60, message=both.role_logs)  # type: ignore[misc]
        name = sorted(agents)[number % len(agents)]
        both.kill_agent(agents[name])
        agents[name] = both.agent(name, old=name.startswith("old"))
    wait_until(lambda: both.ended(runs) == RUNS, 90, message=both.role_logs)
    judge(both, runs)


def judge(both: Both, runs: list[str]) -> None:
    """Every run completed, once, and every promise was kept; work was done, and lost, by both versions."""
    history = history_of(both.store.scripts.redis)
    report = check(history)
    assert not report.violations, report.table()
    seen = [record for record in history.records if record["kind"] == "move"]
    assert Counter(move["run"] for move in seen if move["to"] == "COMPLETED") == Counter(runs)
    by = Counter(move["agent"].split("-")[0] for move in seen if move["to"] == "COMPLETED")
    lost = sum(move["to"] == "QUEUED" and bool(move["from"]) for move in seen)
    assert min(by["old"], by["new"]) >= RUNS // 10 and lost >= 1, (by, lost)
    assert len((both.folder / "started").read_text().split()) >= RUNS


@pytest.mark.slow
def test_an_agent_and_a_scheduler_that_know_no_labels_leave_alone_what_requires_one(both: Both, tmp_path: Path) -> None:
    both.before = tree_of(BEFORE_LABELS, tmp_path)
    both.store.queues.create("ml", limit=LIMIT)
    both.deploy(FLOW)
    both.role(True, "scheduler", "start")
    both.role(True, "agent", "start", "-q", "ml", "--name", "old-1", "--limit", "2")
    labelled, plain = both.submit(5, "gpu"), both.submit(10)
    wait_until(lambda: both.ended(plain) == 10, 60, message=both.role_logs)
    later = both.submit(5)
    wait_until(lambda: both.ended(later) == 5, 60, message=both.role_logs)
    records = [run for run in both.store.records.get_many(labelled) if run is not None]
    assert [(run.state, run.attempt, run.agent) for run in records] == [("QUEUED", 0, None)] * 5
    both.agent("new-1", False, "--label", "gpu")
    wait_until(lambda: both.ended(labelled) == 5, 60, message=both.role_logs)
    records = [run for run in both.store.records.get_many(labelled) if run is not None]
    assert {(run.state, run.agent) for run in records} == {("COMPLETED", "new-1")}
    assert not check(history_of(both.store.scripts.redis)).violations
