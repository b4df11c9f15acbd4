"""The audit names every run that stands where its record does not want it, and changes nothing."""

import pytest

from queues.audit import Audit


@pytest.fixture
def audit(scripts):
    return Audit(scripts)


def kinds(audit, queues=("default",), limits=()):
    return {(found.run_id, found.place, found.kind) for found in audit.all(queues, limits).found}


def test_nothing_is_found_where_all_is_well(floor, audit):
    floor.limits.set("tag:gpu", 1, "ann")
    for run in ("r1", "r2", "r3"):
        floor.make(run, limits=("tag:gpu",))
    floor.claim(2)
    floor.make("later", due_us=floor.scripts.now_us() + 60_000_000)
    audited = audit.all(["default"], ["tag:gpu"])
    assert audited.found == () and audited.looked > 5


def test_holders_without_a_held_run_are_found(floor, audit):
    floor.make("waits")
    for run in ("waits", "gone"):
        floor.redis.zadd(floor.keys.holders("queue:default"), {run: 1})
        floor.redis.zadd(floor.keys.holders("tag:gpu"), {run: 1})
    leaked = {("waits", "misplaced"), ("gone", "orphan")}
    wanted = {(run, f"holders:{limit}", kind) for run, kind in leaked for limit in ("queue:default", "tag:gpu")}
    assert kinds(audit, limits=["tag:gpu"]) == wanted


def test_held_runs_without_a_lease_or_a_slot_are_found(floor, audit):
    floor.start("r1")
    floor.redis.delete(floor.keys.leases, floor.keys.holders("queue:default"))
    assert {kind for _, _, kind in kinds(audit)} == {"no_lease", "no_slot"}


def test_waiting_runs_that_stand_nowhere_are_found(floor, audit):
    floor.make("r1")
    floor.make("r2", due_us=floor.scripts.now_us() + 60_000_000)
    floor.redis.delete(floor.keys.waiting("default"), floor.keys.delayed)
    assert kinds(audit) == {("r1", "runs:QUEUED", "no_place"), ("r2", "runs:SCHEDULED", "no_place")}


def test_records_that_can_not_be_relied_on_are_told_apart(floor, audit):
    floor.make("newer", "bad", "string")
    floor.redis.hset(floor.keys.run("newer"), mapping={"schema": "9", "needs": "7.0"})
    floor.redis.hset(floor.keys.run("bad"), "due", "soon")
    floor.redis.delete(floor.keys.run("string"))
    floor.redis.set(floor.keys.run("string"), "x")
    before = floor.dump()
    found = {run: kind for run, _, kind in kinds(audit)}
    assert found == {"newer": "newer", "bad": "bad", "string": "unreadable"}
    assert floor.dump() == before


def test_a_place_of_another_type_stops_nothing(floor, audit):
    floor.redis.set(floor.keys.waiting("default"), "x")
    floor.redis.zadd(floor.keys.leases, {"gone": 1})
    assert kinds(audit) == {("gone", "leases", "orphan")}
