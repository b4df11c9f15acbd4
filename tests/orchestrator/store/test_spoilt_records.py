"""Deployments, schedules, logs and task runs that a newer version wrote, or something else: shown beside the others."""

from __future__ import annotations

import json
from datetime import timedelta

import msgpack
import pytest

from orchestrator.deployments import deployment_id
from orchestrator.errors import NotFound
from orchestrator.scheduler.leadership import Leadership
from orchestrator.scheduler.tick import tick
from orchestrator.store import Store
from orchestrator.store.deployments import PlacedSchedule, canonical
from orchestrator.store.instants import first_after
from orchestrator.store.run_logs import LOG, LogRecord
from orchestrator.store.runs import new_run
from orchestrator.store.tasks import TaskRecord
from queues.errors import BadPayload, NewerSchema
from tests.support.deployments import MINUTE_US, MINUTELY, Worker, spec

HOSTILE = [
    b"",
    b"\x80" * 100,
    b"\xc1",
    msgpack.packb([1, {}]),
    msgpack.packb([1, [["x"]]]),
    msgpack.packb([1, [[1, 2, 3, 4]]]),
]


@pytest.fixture
def store(redis) -> Store:  # type: ignore[no-untyped-def]
    return Store(redis)


def put(store: Store, name: str) -> str:
    """A deployment that is due every minute."""
    made, wanted = deployment_id("score", name), spec(MINUTELY, name=name)
    texts = {one["slug"]: canonical(one) for one in wanted["schedules"]}
    now = store.scripts.now_us()
    store.deployments.put(
        made,
        wanted,
        [PlacedSchedule(slug=slug, text=text, next_us=first_after(text, now)) for slug, text in texts.items()],
        "t",
    )
    return made


def spoil_spec(store: Store, made: str, **changes: object) -> None:
    """Change what a spec holds behind our back."""
    key = store.keys.specs(made)
    text = json.loads(store.scripts.redis.hget(key, "1"))  # type: ignore[arg-type]
    store.scripts.redis.hset(key, "1", json.dumps(text | changes))


# ------------------------------------------------------------------ deployments
def test_a_deployment_of_a_newer_version_is_listed_and_refused_with_the_version_it_needs(store: Store) -> None:
    newer, sound = put(store, "newer"), put(store, "sound")
    spoil_spec(store, newer, schema=9, needs="0.7")
    listed = {one.id: one.problem for one in store.deployments.all()}
    assert listed[sound] is None and "needs headgate >= 0.7" in str(listed[newer])
    with pytest.raises(NewerSchema, match=r"needs headgate >= 0.7"):
        store.deployments.spec(newer, 1)
    with pytest.raises(NewerSchema):
        new_run(store.deployments.all()[0], "r1", actor="t")


def test_an_older_headgate_does_not_apply_over_what_a_newer_one_wrote(store: Store) -> None:
    made = put(store, "newer")
    store.scripts.redis.hset(store.keys.deployment(made), mapping={"schema": "2", "needs": "0.7"})
    with pytest.raises(NewerSchema, match="the deployment score/newer was written by a newer Headgate"):
        put(store, "newer")
    assert store.scripts.redis.hget(store.keys.deployment(made), "revision") == b"1"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a":1,"a":2}', "x" * 300_000, '{"a":' * 100 + "1" + "}" * 100])
def test_a_spec_that_is_none_is_named_and_the_others_are_listed(store: Store, text: str) -> None:
    bad, sound = put(store, "bad"), put(store, "sound")
    store.scripts.redis.hset(store.keys.specs(bad), "1", text)
    names = [one.id for one in store.deployments.all() if one.problem is None]
    assert names == [sound]
    if text:
        with pytest.raises(BadPayload, match="its deployment's spec"):
            store.deployments.spec(bad, 1)


# ------------------------------------------------------------------ schedules
@pytest.mark.parametrize("where", ["spec", "schedule", "deployment"])
def test_the_scheduler_leaves_what_a_newer_version_wrote_to_a_newer_one(store: Store, where: str) -> None:
    newer, sound = put(store, "newer"), put(store, "sound")
    redis, keys = store.scripts.redis, store.keys
    if where == "spec":
        spoil_spec(store, newer, schema=9)
    elif where == "deployment":
        redis.hset(keys.deployment(newer), "schema", "2")
    else:
        redis.hset(keys.schedule(newer), "body:default", '{"schema": 2, "needs": "0.7", "kind": "moon"}')
    cursor = redis.hget(keys.schedule(newer), "cursor:default")
    store.travel(2 * MINUTE_US)
    assert (tick(store).made, tick(store).seen) == (1, 0)
    assert redis.hget(keys.schedule(newer), "cursor:default") == cursor, "its instants are not skipped"
    again = redis.zscore(keys.due, f"{newer}/default")
    assert again is not None and 0 < again - store.scripts.now_us() <= MINUTE_US
    assert redis.zscore(keys.due, f"{sound}/default")


SPOILT_SPECS = [
    "{}",
    '{"flow": 1, "name": 2, "work_queue": 3}',
    '{"flow": "f", "name": "n", "work_queue": "default", "tags": "xy"}',
    '{"flow": "f", "name": "n", "work_queue": "default", "tags": ["a|b"]}',
    '{"flow": "f", "name": "n", "work_queue": "default", "max_waiting": "many"}',
    '{"flow": "f", "name": "n", "work_queue": "default", "on_lost": "forget"}',
]


@pytest.mark.parametrize("text", SPOILT_SPECS)
def test_a_spec_that_no_run_can_be_made_from_stops_no_other_schedule(store: Store, text: str) -> None:
    bad, _ = put(store, "bad"), put(store, "sound")
    store.scripts.redis.hset(store.keys.specs(bad), "1", text)
    store.travel(2 * MINUTE_US)
    assert (tick(store).made, tick(store).seen) == (1, 0)
    assert len(store.deployments.all()) == 2 and store.deployments.find("score/bad").id == bad


@pytest.mark.parametrize("cursor", ["soon", "", "1e300", "-5", "9" * 17, None])
def test_a_cursor_that_is_none_goes_on_from_now_and_stops_no_other_schedule(store: Store, cursor: str | None) -> None:
    bad, _ = put(store, "bad"), put(store, "sound")
    redis, key = store.scripts.redis, store.keys.schedule(bad)
    redis.hset(key, "cursor:default", cursor) if cursor is not None else redis.hdel(key, "cursor:default")
    assert len(store.deployments.all()) == 2
    store.travel(2 * MINUTE_US)
    assert (tick(store).made, tick(store).seen) == (1, 0)
    store.travel(MINUTE_US)
    assert (tick(store).made, tick(store).seen) == (1, 0), "the other has a run that waits"
    assert redis.hget(store.keys.counters, "repaired_cursors") == b"1"


@pytest.mark.parametrize("field", ["revision", "created", "updated"])
def test_a_deployment_with_strange_numbers_is_listed_and_applied_anew(store: Store, field: str) -> None:
    bad, _ = put(store, "bad"), put(store, "sound")
    store.scripts.redis.hset(store.keys.deployment(bad), field, "many")
    store.travel(2 * MINUTE_US)
    assert tick(store).made == (1 if field == "revision" else 2) and len(store.deployments.all()) == 2
    put(store, "bad")
    assert [one.problem for one in store.deployments.all()] == [None, None]


@pytest.mark.parametrize("key", ["schedule", "deployment", "scheduled", "specs", "skips"])
def test_a_key_of_another_type_stops_its_own_schedules_only(store: Store, key: str) -> None:
    bad, _ = put(store, "bad"), put(store, "sound")
    store.scripts.redis.set(getattr(store.keys, key)(bad), "not ours")
    store.travel(2 * MINUTE_US)
    assert tick(store).made == 1
    assert store.scripts.redis.zscore(store.keys.due, f"{bad}/default") > store.scripts.now_us(), (
        "looked at again later"
    )


def test_a_name_without_a_deployment_is_not_found(store: Store) -> None:
    bad, sound = put(store, "bad"), put(store, "sound")
    store.scripts.redis.delete(store.keys.deployment(bad))
    with pytest.raises(NotFound) as refused:
        store.deployments.find("score/bad")
    assert refused.value.hint is not None and "score/bad" not in refused.value.hint
    assert [one.id for one in store.deployments.all()] == [sound]


# ------------------------------------------------------------------ logs and task runs
@pytest.mark.parametrize("batch", HOSTILE)
def test_a_batch_of_lines_that_can_not_be_read_is_one_line_and_the_rest_is_there(store: Store, batch: bytes) -> None:
    put(store, "d")
    store.travel(2 * MINUTE_US)
    tick(store)
    claim = Worker(store).start()
    lines = [LogRecord(1, LOG, 20, f"line {number}") for number in range(4)]
    store.logs.append(claim.run_id, claim.token, 1, 1, lines[:2])
    store.scripts.redis.xadd(store.keys.logs(claim.run_id), {"b": batch}, id="1-3")
    store.logs.append(claim.run_id, claim.token, 1, 4, lines[3:])
    texts = [line.record.text for line in store.logs.read(claim.run_id)]
    assert texts[:2] == ["line 0", "line 1"] and texts[3] == "line 3"
    assert texts[2].startswith("lines up to here can not be read: ")


def test_a_batch_of_a_newer_version_is_named(store: Store) -> None:
    store.scripts.redis.xadd(store.keys.logs("r1"), {"schema": "2", "needs": "0.7", "c": b"new"}, id="1-3")
    (line,) = store.logs.read("r1")
    assert line.record.text.endswith("needs headgate >= 0.7")


@pytest.mark.parametrize("row", [*HOSTILE, msgpack.packb([2, "0.7", {}]), msgpack.packb(["a", "RUNNING", "soon"])])
def test_a_task_run_that_can_not_be_read_is_shown_beside_the_others(store: Store, row: bytes) -> None:
    good = TaskRecord(id="t1", name="score", attempt=1, state="RUNNING", started_us=1)
    store.scripts.redis.hset(store.keys.tasks("r1"), mapping={"1.t1": good.packed(), "1.t2": row, "x.t3": row})
    found = {task.id: task for task in store.tasks.read("r1")}
    assert found["t1"] == good and found["t2"].state == "Unreadable" and found["t2"].reason
    assert timedelta(microseconds=found["t3"].attempt) == timedelta(0)


# ------------------------------------------------------------------ the event stream
def test_a_removed_or_trimmed_event_stream_changes_no_state(store: Store) -> None:
    put(store, "d")
    store.travel(2 * MINUTE_US)
    tick(store)
    worker = Worker(store)
    claim = worker.start()
    store.scripts.redis.delete(store.scripts.keys.events, store.scripts.keys.changes)
    worker.finish(claim)
    run = store.records.get(claim.run_id)
    assert run is not None and run.state == "COMPLETED" and len(run.history) == 4
    assert store.scripts.redis.xlen(store.scripts.keys.events) == 1


# ------------------------------------------------------------------ deadlines
@pytest.mark.parametrize("deadline", [float("inf"), 7_258_118_400_000_000.0, 1e300, float("-inf"), -5.0])
def test_a_deadline_that_no_lease_has_is_looked_at_now(store: Store, deadline: float) -> None:
    leadership = Leadership(store)
    store.scripts.redis.zadd(store.scripts.keys.leases, {"r1": deadline})
    assert leadership.beat().next_deadline_us == 0
    store.scripts.redis.zadd(store.scripts.keys.leases, {"r1": store.scripts.now_us() + 30_000_000})
    pulse = leadership.beat()
    assert pulse.next_deadline_us is not None and pulse.next_deadline_us > pulse.now_us
