"""Creating, cancelling, promoting and forgetting runs."""

import pytest

from queues.errors import InvalidValue, RefusedByState, UnknownQueue, UnknownRun
from queues.runs import NewRun
from queues.states import State
from tests.queues.floor import Floor
from tests.queues.oracle import check, look


def test_a_due_run_is_queued_and_a_later_one_is_delayed(floor: Floor) -> None:
    later = floor.scripts.now_us() + 60_000_000
    floor.make("now")
    floor.make("later", due_us=later)
    assert (floor.state("now"), floor.state("later")) == (State.QUEUED, State.SCHEDULED)
    assert floor.run("later").due_us == later and floor.line() == ["now"]


def test_a_run_keeps_what_it_was_given(floor: Floor) -> None:
    floor.make(
        "r1",
        groups=("deployment:d1", "tag:ml"),
        limits=("tag:ml",),
        fields={"name": "brisk-otter", "revision": 3, "path": "/srv/" + "é" * 200},
        data={"parameters": bytes(range(256))},
        reason="asked for by hand",
    )
    run = floor.run("r1")
    assert run.fields == {"name": "brisk-otter", "revision": "3", "path": "/srv/" + "é" * 200}
    assert run.groups == ("deployment:d1", "tag:ml") and run.limits == ("tag:ml",)
    assert run.history[0].actor == "user:ann" and run.reason == "asked for by hand"
    assert floor.runs.data("r1", "parameters") == bytes(range(256)) and floor.runs.data("r1", "other") is None
    assert floor.redis.zscore(floor.keys.group("deployment:d1"), "r1") == run.created_us


@pytest.mark.parametrize("reason", ["", "two\nlines", "é" * 400, "x" * 10_000, "bad \udcff byte", "~1 h1 '\"\\"])
def test_any_reason_and_any_actor_can_be_read_back(floor: Floor, reason: str) -> None:
    floor.runs.create([NewRun(id="r1", queue="default", actor="user:Ann Lee", reason=reason)])
    run = floor.run("r1")
    assert (run.history[0].actor, run.history[0].reason) == ("user:Ann_Lee", run.reason)
    assert run.reason == reason.replace("\udcff", "\ufffd") or run.reason[-1] == "…"
    assert len(run.reason.encode()) <= 260 and "\ufffd" not in run.reason.rstrip("…").replace("bad \ufffd", "")


def test_a_run_is_made_once_whoever_asks(floor: Floor) -> None:
    new = NewRun(id="r1", queue="default", actor="scheduler", fields={"name": "first"})
    (first,) = floor.runs.create([new])
    before = floor.dump()
    (second,) = floor.runs.create([NewRun(id="r1", queue="default", actor="other", fields={"name": "second"})])
    assert (first.created, second.created, second.state) == (True, False, State.QUEUED)
    assert floor.dump() == before


def test_an_unknown_queue_names_the_nearest_and_nothing_is_written(floor: Floor) -> None:
    floor.queues.create("training")
    before = floor.dump()
    new = [NewRun(id="r1", queue="training", actor="t"), NewRun(id="r2", queue="trainin", actor="t")]
    with pytest.raises(UnknownQueue, match=r"'trainin'; did you mean 'training'\?"):
        floor.runs.create(new)
    assert floor.dump() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"on_lost": "explode"},
        {"max_lost": 0},
        {"limits": ("two\nlines:x",)},
        {"limits": ("queue:default",)},
        {"limits": ("tag:a|b",)},
        {"limits": tuple(f"tag:{number}" for number in range(65))},
        {"fields": {"state": "RUNNING"}},
        {"fields": {"name~1": "x"}},
        {"fields": {"name": "x" * 5000}},
    ],
)
def test_what_a_record_can_not_hold_is_refused_before_redis_is_asked(wrong: dict) -> None:
    with pytest.raises(InvalidValue):
        NewRun(id="r1", queue="default", actor="t", **wrong)


def test_cancelling_a_waiting_run_ends_it_at_once(floor: Floor) -> None:
    floor.make("queued")
    floor.make("delayed", due_us=floor.scripts.now_us() + 60_000_000)
    for run_id, before in (("queued", State.QUEUED), ("delayed", State.SCHEDULED)):
        answer = floor.runs.cancel(run_id, actor="user:ann", reason="not needed")
        assert (answer.state_before, answer.state) == (before, State.CANCELLED)
        assert floor.run(run_id).reason == "not needed" and floor.run(run_id).cancel_requested_us
    check(look(floor))


def test_cancelling_a_held_run_waits_for_its_agent_and_any_end_is_cancelled(floor: Floor) -> None:
    claim = floor.start("r1")
    answer = floor.runs.cancel("r1", actor="user:ann", reason="too long")
    assert (answer.state_before, answer.state) == (State.RUNNING, State.CANCELLING)
    assert len(floor.limits.holders("queue:default")) == 1, "the slot is taken until the process is gone"
    assert floor.finish(claim, "FAILED", reason="signal 15", retry_in_seconds=5).state == State.CANCELLED
    assert floor.run("r1").reason == "too long" and floor.limits.holders("queue:default") == []


def test_cancelling_twice_is_one_cancel(floor: Floor) -> None:
    floor.start("r1")
    floor.runs.cancel("r1", actor="user:ann")
    before = floor.dump()
    again = floor.runs.cancel("r1", actor="user:bob")
    assert (again.state_before, again.state) == (State.CANCELLING, State.CANCELLING)
    assert floor.dump() == before


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"])
def test_terminal_states_are_final(floor: Floor, state: str) -> None:
    claim = floor.start("r1")
    floor.finish(claim, state)
    before = floor.dump()
    with pytest.raises(RefusedByState) as caught:
        floor.runs.cancel("r1", actor="user:ann")
    assert (caught.value.state, caught.value.since_us) == (state, floor.run("r1").ended_us)
    floor.finish(claim, "COMPLETED")
    floor.make("r1")
    floor.travel(100)
    assert floor.leases.expire_once().count == 0 and floor.runs.promote().count == 0
    assert floor.dump() == before


def test_an_unknown_run_can_not_be_cancelled(floor: Floor) -> None:
    with pytest.raises(UnknownRun, match="'nope'"):
        floor.runs.cancel("nope", actor="user:ann")
    assert floor.runs.get("nope") is None


def test_promote_moves_what_is_due_in_order_and_tells_the_next_time(floor: Floor) -> None:
    now = floor.scripts.now_us()
    for run_id, seconds in (("r3", 30), ("r1", 10), ("r2", 20)):
        floor.make(run_id, due_us=now + seconds * 1_000_000)
    assert floor.runs.promote().next_due_us == now + 10_000_000
    floor.travel(25)
    promoted = floor.runs.promote()
    assert (promoted.count, promoted.next_due_us) == (2, now + 30_000_000)
    assert floor.claim_ids(9) == ["r1", "r2"]


def test_promote_takes_no_more_than_asked(floor: Floor) -> None:
    due = floor.scripts.now_us() + 1_000_000
    floor.make(*[f"r{number}" for number in range(250)], due_us=due)
    floor.travel(2)
    assert floor.runs.promote(limit=120).count == 120
    assert floor.runs.promote().count == 130


def test_forget_removes_every_key_of_finished_runs_and_leaves_others(floor: Floor) -> None:
    before = {key for key in floor.dump() if b":runs:" not in key}
    claim = floor.start("r1", groups=("deployment:d1",), data={"parameters": b"{}"})
    floor.finish(claim, data={"result": b"1"})
    floor.redis.xadd(floor.keys.logs("r1"), {"line": "x"})
    floor.redis.hset(floor.keys.tasks("r1"), "t", "x")
    floor.make("r2")
    assert floor.runs.forget(["r1", "r2", "nope"]) == 1
    assert [key for key in floor.dump() if b"r1" in key or b"d1" in key] == []
    floor.runs.cancel("r2", actor="user:ann")
    assert floor.runs.forget(["r2"]) == 1
    left = set(floor.dump()) - before
    common = {b"queues", b"queue", b"token", b"events", b"request", b"rq", b"ends", b"group_numbers", b"group_names"}
    assert {key.split(b":")[1] for key in left} <= common


def test_the_history_keeps_first_and_last_moves_when_it_grows(floor: Floor) -> None:
    floor.make("r1")
    for _ in range(60):
        (claim,) = floor.claim()
        floor.agent().release(claim.run_id, claim.token, claim.claim_id, reason="again " + "x" * 100)
    run = floor.run("r1")
    assert len(run.history) == 72 and run.history[0].state == State.QUEUED
    times = [move.at_us for move in run.history]
    assert times == sorted(times) and run.history[-1].reason.startswith("again x")
    check(look(floor))


def test_many_are_read_as_one_is_whatever_their_bytes_are(floor: Floor) -> None:
    ids = [f"r{number}" for number in range(250)]
    floor.make(*ids)
    floor.redis.hset(floor.keys.run("r7"), "note", b"\xff\x00 caf\xc3\xa9")
    asked = ["nobody", *ids, "r7"]
    found = floor.runs.get_many(asked)
    assert found == [floor.runs.get(run_id) for run_id in asked]
    assert found[0] is None and found[-1] is not None and found[-1].fields["note"].endswith("\x00 café")
