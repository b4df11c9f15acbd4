"""What the examination finds in scenes that each have one thing wrong; every finding has a place and a command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from orchestrator.client.doctor.values import Examination, Finding
from orchestrator.config import Settings
from queues.keys import queue_limit
from tests.support.deployments import MINUTELY, Worker, spec

FIVE_MINUTES = 300_000_000
THE_TEST_SERVER = {"persistence"}
"""What is wrong with every server of these tests: it keeps nothing on disk."""


@pytest.fixture
def examine(client: Any, tmp_path: Path) -> Any:
    """A function that examines, with the clock of the store."""
    settings = Settings.load({"HEADGATE_REDIS_URL": "unix:///s.sock", "HEADGATE_HOME": str(tmp_path)})

    def look() -> Examination:
        found: Examination = client.examine(settings)
        assert all(one.code and one.where and one.message and one.remedy for one in (*found.problems, *found.notes))
        return found

    return look


def problems(found: Examination) -> dict[str, Finding]:
    """The problems by code, without what is wrong with every server of these tests."""
    return {one.code: one for one in found.problems if one.code not in THE_TEST_SERVER}


def notes(found: Examination) -> dict[str, Finding]:
    """The notes by code."""
    return {one.code: one for one in found.notes}


def lead(store: Any) -> None:
    """Let a scheduler lead."""
    from orchestrator.scheduler.leadership import Leadership

    assert Leadership(store).beat().leading


def test_an_installation_at_work_has_no_problem(client: Any, store: Any, examine: Any) -> None:
    lead(store)
    client.create_from_spec(spec(MINUTELY))
    worker = Worker(store)
    client.run_deployment("nightly")
    worker.run_one()
    client.run_deployment("nightly")
    worker.start()
    found = examine()
    assert problems(found) == {} and notes(found) == {}
    assert found.runs_examined > 0 and found.keys_examined == found.keys
    assert found.scheduler.leads and [agent.name for agent in found.agents] == ["worker"]


def test_no_scheduler_is_a_problem_once_there_is_something_to_do(client: Any, store: Any, examine: Any) -> None:
    assert "none has ever been at work" in notes(examine())["no-scheduler"].message
    lead(store)
    client.create_from_spec(spec())
    store.travel(FIVE_MINUTES)
    found = problems(examine())["no-scheduler"]
    assert "5 min ago" in found.message and found.remedy == "headgate scheduler start"


def test_a_scheduler_that_does_not_keep_up_is_a_problem(client: Any, store: Any, examine: Any) -> None:
    client.create_from_spec(spec(MINUTELY))
    client.run_deployment("nightly")
    Worker(store).start()
    store.travel(FIVE_MINUTES)
    store.redis = store.scripts.redis
    store.redis.hset(store.keys.leader, mapping={"owner": "x", "until": store.scripts.now_us() + 5_000_000})
    behind = [one.message for one in examine().problems if one.code == "scheduler-behind"]
    assert len(behind) == 2 and "leases" in behind[0] and "schedules" in behind[1]


def test_a_queue_that_nobody_serves_names_who_did_last(client: Any, store: Any, examine: Any) -> None:
    lead(store)
    client.create_work_queue("ml")
    client.create_from_spec(spec(work_queue="ml"))
    Worker(store, "w7", ("ml",))
    client.run_deployment("nightly")
    assert "unserved-queue" not in problems(examine())
    store.travel(FIVE_MINUTES)
    found = problems(examine())
    assert "1 run waits" in found["unserved-queue"].message and "w7 on" in found["unserved-queue"].message
    assert found["unserved-queue"].remedy == "headgate agent start -q ml"
    assert found["agent-lost"].remedy == "headgate agent start -q ml --name w7"
    client.pause_work_queue("ml")
    assert notes(examine())["paused-queue"].remedy == "headgate work-queue resume ml"


def test_late_runs_are_a_problem_only_where_something_could_start_them(client: Any, store: Any, examine: Any) -> None:
    client.create_work_queue("ml", limit=1)
    client.create_from_spec(spec(work_queue="ml"))
    worker = Worker(store, "w", ("ml",))
    waits = [client.run_deployment("nightly") for _ in range(2)]
    worker.start()
    assert "late-runs" not in {**notes(examine()), **problems(examine())}, "one waits, and is not late"
    store.travel(25_000_000)
    assert "slots (1) are taken" in notes(examine())["late-runs"].message
    client.set_concurrency_limit("ml", 2)
    assert problems(examine())["late-runs"].remedy == f"headgate flow-run explain {waits[1].id}"


def test_slots_that_nobody_holds_are_named_by_limit(client: Any, store: Any, examine: Any) -> None:
    lead(store)
    store.scripts.redis.zadd(store.keys.holders(queue_limit("default")), {"gone": 1})
    leaked = problems(examine())["leaked-slots"]
    assert leaked.where == "limit queue:default" and "gone" in leaked.message and "within seconds" in leaked.message


def test_limits_that_no_run_can_get_are_named(client: Any, store: Any, examine: Any) -> None:
    store.scripts.redis.hset(store.keys.limits, mapping={"queue:default": "0", "tag:gpu": "two"})
    found = {one.where: one for one in examine().problems}
    assert "set-concurrency-limit default 1" in found["limit queue:default"].remedy
    assert "got 'two'" in found["limit tag:gpu"].message


def test_deployments_without_a_queue_or_with_more_slots_than_theirs_are_named(
    client: Any, store: Any, examine: Any
) -> None:
    for queue in ("ml", "gone"):
        client.create_work_queue(queue, limit=2)
    client.create_from_spec(spec(work_queue="gone"))
    client.create_from_spec(spec(name="wide", work_queue="ml", concurrency_limit=5))
    store.scripts.redis.srem(store.keys.queues, "gone")
    found = examine()
    assert problems(found)["no-queue"].remedy == "headgate work-queue create gone"
    assert "only 2" in notes(found)["limit-above-queue"].message


def test_clocks_that_lie_apart_are_told_by_agent_and_here(
    client: Any, store: Any, examine: Any, monkeypatch: Any
) -> None:
    import time

    worker = Worker(store)
    here = time.time()
    clock = str(store.scripts.now_us() + 300_000_000)
    worker.claims.renew([], info={"clock": clock})
    monkeypatch.setattr(time, "time", lambda: here - 90)
    told = {one.where: one.message for one in examine().problems if one.code == "clock"}
    assert "300.0 s ahead" in told["agent worker on " + worker.store.presence.get("worker").identity.host]
    assert "ahead of that of this machine" in told["Redis"]


def test_keys_of_ours_that_others_touched_are_named_and_not_changed(client: Any, store: Any, examine: Any) -> None:
    redis, keys = store.scripts.redis, store.keys
    client.create_work_queue("ml", limit=2)
    redis.expire(keys.limits, 1000)
    redis.set(keys.waiting("ml"), "x")
    redis.zadd(keys.waiting("ghost"), {"r": 1})
    found = problems(examine())
    assert {"expiring-keys", "wrong-type", "no-queue"} <= set(found)
    assert found["expiring-keys"].remedy == f"redis-cli PERSIST '{keys.limits}'"
    assert "expected it to be a zset, got a string" in found["wrong-type"].message
    assert redis.ttl(keys.limits) > 0


def test_a_key_that_grew_beyond_what_we_write_is_named(store: Any, examine: Any) -> None:
    store.scripts.redis.hset(store.keys.data("r1"), "parameters", b"x" * (17 << 20))
    found = problems(examine())["huge-key"]
    assert found.where == f"key {store.keys.data('r1')}" and re.search(r"it takes \d\d\.\d MB", found.message)


def test_what_can_not_be_read_is_told_and_all_else_is_examined(client: Any, store: Any, examine: Any) -> None:
    lead(store)
    store.scripts.redis.set(store.keys.deployments, "x")
    store.scripts.redis.zadd(store.keys.holders(queue_limit("default")), {"gone": 1})
    found = problems(examine())
    assert set(found) == {"not-examined", "leaked-slots"} and found["not-examined"].where == "deployments"


def test_what_a_newer_version_wrote_names_the_version(client: Any, store: Any, examine: Any) -> None:
    client.create_from_spec(spec())
    run, worker = client.run_deployment("nightly"), Worker(store)
    newer = {"schema": 9, "needs": "7.0"}
    for key in (store.keys.run(run.id), store.keys.queue("default"), store.keys.agent(worker.name)):
        store.scripts.redis.hset(key, mapping=newer)
    found = problems(examine())
    assert {"newer-runs", "newer-queue", "newer-agent"} <= set(found)
    assert found["newer-runs"].remedy == "pip install 'headgate>=7.0'"


def test_a_repair_is_a_problem_for_an_hour_and_a_note_then(client: Any, store: Any, examine: Any) -> None:
    redis, keys, now_us = store.scripts.redis, store.keys, store.scripts.now_us()
    redis.hset(keys.counters, mapping={"repaired_mirrors": 3, "recoveries": 1, "repaired_agents": 4})
    redis.hset(keys.counted, mapping={"repaired_mirrors": now_us, "recoveries": now_us})
    assert "3 times lists that rq tools read" in problems(examine())["repaired-rq"].message
    assert set(notes(examine())) >= {"repaired-returns"}
    store.travel(2 * 3600 * 1_000_000)
    later = examine()
    assert "2 h" in notes(later)["repaired-rq"].message and "repaired-rq" not in problems(later)


def test_agents_of_several_versions_and_full_spools_are_told(client: Any, store: Any, examine: Any) -> None:
    for name, version in (("a", "1.0"), ("b", "1.1")):
        worker = Worker(store, name)
        worker.claims.renew([], state="spool full" if name == "b" else "running", info={"version": version})
    found = examine()
    assert "1.0 (a); 1.1 (b)" in notes(found)["versions"].message
    assert problems(found)["spool-full"].where.startswith("agent b on ")


def test_the_examination_changes_nothing(client: Any, store: Any, examine: Any) -> None:
    client.create_from_spec(spec(MINUTELY))
    client.run_deployment("nightly")
    Worker(store).start()
    redis = store.scripts.redis
    before = {key: redis.dump(key) for key in redis.scan_iter()}
    examine()
    assert {key: redis.dump(key) for key in redis.scan_iter()} == before


def test_remedies_can_be_copied_into_a_shell_whatever_stands_in_redis(examine: Any, store: Any) -> None:
    redis, keys = store.scripts.redis, store.keys
    redis.zadd(keys.waiting("x; id"), {"r1": 1})
    redis.hset(keys.run("a'b"), "state", "QUEUED")
    redis.expire(keys.run("a'b"), 3600)
    found = problems(examine())
    assert found["no-queue"].remedy == "headgate work-queue create 'x; id'"
    assert shlex.split(found["expiring-keys"].remedy)[-2:] == ["PERSIST", keys.run("a'b")]
