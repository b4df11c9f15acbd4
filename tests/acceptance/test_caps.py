"""Three agents, overlapping limits that change meanwhile: never more holders than any limit, and everything ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.client import Client
from queues.limits import Limits
from queues.scripts import Scripts
from tests.chaos.checker import check
from tests.chaos.history import history_of
from tests.support.installation import Installation
from tests.support.waiting import wait_until

FLOWS = """
    import os, time
    from orchestrator import flow
    from orchestrator.deployments import DeploymentSpec

    SEEN = {seen!r}

    @flow
    def short(limits: list[str], seconds: float = 0.01):
        me = os.environ["HEADGATE_RUN_ID"]
        for limit in limits:
            open(os.path.join(SEEN, limit, me), "x").close()
        for limit in limits:
            with open(os.path.join(SEEN, "peaks"), "a") as peaks:
                peaks.write(limit + " " + str(len(os.listdir(os.path.join(SEEN, limit)))) + chr(10))
        time.sleep(seconds)
        for limit in limits:
            os.unlink(os.path.join(SEEN, limit, me))

    DeploymentSpec(flow=short, name="a", source="path", work_queue="one", parameters=dict(limits=["one"]))
    DeploymentSpec(flow=short, name="b", source="path", work_queue="three", parameters=dict(limits=["three"]))
    DeploymentSpec(flow=short, name="c", source="path", work_queue="three", tags=["ml"], concurrency_limit=2,
                   parameters=dict(limits=["three", "ml", "c"]))
    DeploymentSpec(flow=short, name="d", source="path", work_queue="one", tags=["ml"],
                   parameters=dict(limits=["one", "ml"]))
"""
"""What is looked at is who is claimed when: an agent that fetches code first gives its first claim back."""
LIMITS = {"one": 1, "three": 3, "ml": 2, "c": 2}


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation() as made:
        for limit in LIMITS:
            (tmp_path / limit).mkdir()
        made.run("work-queue", "create", "one", "--limit", "1")
        made.run("work-queue", "create", "three", "--limit", "3")
        Limits(Scripts(made.redis.client())).set("tag:ml", 2, actor="test")
        made.deploy(FLOWS.format(seen=str(tmp_path)))
        made.start_scheduler()
        yield made


def client_of(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Client:
    for name, value in installation.environment.items():
        if name.startswith("HEADGATE_"):
            monkeypatch.setenv(name, value)
    return Client.from_settings()


def claimed(installation: Installation) -> list[str]:
    """The runs that were claimed, in order."""
    moves = history_of(installation.redis.client()).of("move")
    return [move["run"] for move in moves if move["to"] == "PENDING"]


def peaks_seen(folder: Path) -> dict[str, int]:
    peaks: dict[str, int] = defaultdict(int)
    for line in (folder / "peaks").read_text().splitlines():
        limit, count = line.split()
        peaks[limit] = max(peaks[limit], int(count))
    return dict(peaks)


@pytest.mark.slow
def test_no_limit_is_exceeded_by_three_agents_while_limits_change(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("x", "y", "z"):
        installation.start_agent(name, "one", "three", limit=4)
    with client_of(installation, monkeypatch) as client:
        runs = [client.run_deployment(f"short/{'abcd'[i % 4]}").id for i in range(500)]
        for i in range(10):
            installation.run("work-queue", "set-concurrency-limit", "three", str((1, 3, 2)[i % 3]))
        client.set_concurrency_limit("three", 3)
        wait_until(
            lambda: installation.states() == {"COMPLETED": 500}, within=150, message=installation.states, every=1
        )
    report = check(history_of(installation.redis.client()))
    assert report.violations == 0, report.table()
    assert report.rows["I2"].occurred["limits changed"] >= 9, report.table()
    seen = peaks_seen(tmp_path)
    assert {limit: count for limit, count in seen.items() if count > LIMITS[limit]} == {}
    assert (seen["one"], seen["three"], seen["ml"]) == (1, 3, 2), "the situation occurred: each limit was reached"
    order = claimed(installation)
    assert sorted(order) == sorted(runs), "each run was claimed once"
    assert [run for run in order if run in set(runs[0::4])] == runs[0::4], "first come, first served"


@pytest.mark.slow
def test_a_paused_queue_starts_nothing_and_goes_on_when_resumed(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.start_agent("x", "one", limit=4)
    with client_of(installation, monkeypatch) as client:
        runs = [client.run_deployment("short/a", {"limits": [], "seconds": 0.5}).id for _ in range(6)]
        wait_until(lambda: client.get_flow_run(runs[0]).state == "RUNNING", within=20)
        client.pause_work_queue("one")
    before = claimed(installation)
    wait_until(lambda: installation.states().get("COMPLETED", 0) == len(before), within=20, message=installation.states)
    assert 1 <= len(before) < 6
    assert claimed(installation) == before
    reasons = installation.json("flow-run", "explain", installation.runs("--state", "QUEUED")[0]["id"])["reasons"]
    assert "paused" in reasons[0]["text"]
    installation.run("work-queue", "resume", "one")
    wait_until(lambda: installation.states() == {"COMPLETED": 6}, within=20, message=installation.states)


def test_ten_thousand_parked_runs_do_not_delay_a_free_one(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(installation, monkeypatch) as client:
        Limits(Scripts(installation.redis.client())).set("tag:ml", 1, actor="test")
        client.clear_concurrency_limit("three")
        installation.deploy(FREE, name="free.py")
        installation.start_agent("x", "three", limit=4)
        holder = client.run_deployment("short/c", {"limits": [], "seconds": 60})
        wait_until(lambda: client.get_flow_run(holder.id).state == "RUNNING", within=20)
        block(installation, 10_000)
        free = client.run_deployment("free/free")
        wait_until(lambda: client.get_flow_run(free.id).state == "COMPLETED", within=20)
        detail = client.get_flow_run(free.id)
        assert detail.start_time is not None
        waited = (detail.start_time - detail.scheduled_start_time).total_seconds()
        explanation = client.explain(installation_first_parked(installation))
    assert waited < 1.0
    assert [slot.run_id for slot in explanation.holders] == [holder.id]


FREE = """
    from orchestrator import flow
    from orchestrator.deployments import DeploymentSpec

    @flow
    def free(): pass

    DeploymentSpec(flow=free, name="free", source="path", work_queue="three")
"""


def block(installation: Installation, count: int) -> None:
    """Put runs of deployment c on the queue, all of them due before now: the tag's one slot is taken."""
    from queues.runs import NewRun, Runs

    scripts = Scripts(installation.redis.client())
    runs = Runs(scripts)
    like = runs.get(installation.runs()[0]["id"])
    assert like is not None
    due = scripts.now_us() - 60_000_000
    for start in range(0, count, 500):
        batch = [
            NewRun(
                id=f"00000000-0000-4000-8000-{number:012d}",
                queue="three",
                due_us=due + number,
                limits=like.limits,
                groups=("deployment:" + like.fields["deployment"],),
                fields={**like.fields, "name": f"blocked-{number}"},
                actor="test",
                reason="",
            )
            for number in range(start, start + 500)
        ]
        runs.create(batch)


def installation_first_parked(installation: Installation) -> str:
    """The id of the first of the blocked runs."""
    return "00000000-0000-4000-8000-000000000000"


@pytest.mark.slow
def test_a_freed_slot_is_taken_at_once(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    installation.run("work-queue", "set-concurrency-limit", "one", "2")
    installation.start_agent("x", "one", limit=4)
    with client_of(installation, monkeypatch) as client:
        runs = [client.run_deployment("short/a", {"limits": [], "seconds": 3}).id for _ in range(12)]
        wait_until(lambda: installation.states() == {"COMPLETED": 12}, within=60, message=installation.states)
        done = [client.get_flow_run(run) for run in runs]
    first = min(run.scheduled_start_time for run in done)
    last = max(run.end_time for run in done if run.end_time)
    assert (last - first).total_seconds() <= 1.1 * 18
