"""Verbs that go through many runs: what each run answers, and that nothing of a deleted one is left."""

from __future__ import annotations

from collections.abc import Iterable

from queues.runs import Done
from queues.states import State
from tests.queues.floor import Floor


def told(steps: Iterable[list[Done]]) -> dict[str, tuple[str | None, str | None]]:
    """What became of each run."""
    return {one.id: (one.before, one.state) for step in steps for one in step}


def five(floor: Floor) -> list[str]:
    """A held run, one that has ended, one for later, one that waits, and an id that nothing has."""
    floor.start("held")
    floor.finish(floor.start("ended", groups=("deployment:d1",)))
    floor.make("later", due_us=floor.scripts.now_us() + 60_000_000)
    floor.make("waits")
    return ["held", "ended", "later", "waits", "nope"]


def test_many_are_cancelled_each_as_its_state_has_it(floor: Floor) -> None:
    answers = told(floor.runs.cancel_many(five(floor), actor="user:ann", reason="why"))
    assert answers == {
        "held": ("RUNNING", "CANCELLING"),
        "ended": (None, "COMPLETED"),
        "later": ("SCHEDULED", "CANCELLED"),
        "waits": ("QUEUED", "CANCELLED"),
        "nope": (None, None),
    }
    assert floor.run("waits").history[-1].actor == "user:ann" and floor.line() == []


def test_cancelling_many_twice_is_one_cancel(floor: Floor) -> None:
    ids = five(floor)
    told(floor.runs.cancel_many(ids, actor="user:ann"))
    before = floor.dump()
    again = told(floor.runs.cancel_many(ids, actor="user:ann"))
    assert floor.dump() == before
    assert again["held"] == ("CANCELLING", "CANCELLING") and again["waits"] == ("CANCELLED", "CANCELLED")


def test_only_ended_runs_are_deleted_and_the_others_say_since_when_they_go_on(floor: Floor) -> None:
    ids = five(floor)
    answers = {one.id: one for step in floor.runs.delete_many(ids, actor="user:ann") for one in step}
    assert (answers["ended"].before, answers["ended"].state) == ("COMPLETED", None)
    assert answers["nope"] == Done(id="nope")
    assert (answers["held"].before, answers["held"].state) == (None, "RUNNING")
    assert answers["held"].since_us == floor.run("held").history[-1].at_us
    assert [floor.state(run_id) for run_id in ("held", "later", "waits")] == ["RUNNING", "SCHEDULED", "QUEUED"]


def test_runs_of_a_newer_version_are_left_alone(floor: Floor) -> None:
    floor.make("newer")
    floor.redis.hset(floor.keys.run("newer"), mapping={"schema": "99", "needs": "9.9"})
    for steps in (floor.runs.cancel_many(["newer"], actor="a"), floor.runs.delete_many(["newer"], actor="a")):
        ((one,),) = steps
        assert one.before is None and "needs headgate >= 9.9" in (one.problem or "")
    assert floor.redis.hget(floor.keys.run("newer"), "state") == State.QUEUED.encode()


def test_what_one_person_deletes_in_many_calls_is_one_change(floor: Floor) -> None:
    ids = [f"r{number}" for number in range(230)]
    floor.make(*ids, groups=("deployment:d1",))
    told(floor.runs.cancel_many(ids, actor="user:ann"))
    assert len(told(floor.runs.delete_many(ids, actor="user:ann"))) == 230
    changes = [entry for _, entry in floor.redis.xrange(floor.keys.changes)]
    assert [(entry[b"subject"], entry[b"field"], entry[b"new"]) for entry in changes] == [
        (b"deployment:d1", b"runs deleted", b"230")
    ]


def test_a_deleted_run_leaves_no_key_and_no_entry_and_its_log_is_not_counted_any_more(floor: Floor) -> None:
    floor.finish(floor.start("r1", groups=("deployment:d1",), data={"parameters": b"{}"}), data={"result": b"1"})
    floor.redis.xadd(floor.keys.logs("r1"), {"b": "x"})
    floor.redis.hset(floor.keys.tasks("r1"), "t", "x")
    floor.redis.hset(floor.keys.alone, mapping={"r1": "1 a1 2", "other": "1 a1 2"})
    prefix = floor.keys.prefix
    floor.redis.hset(f"{prefix}:log_sizes", mapping={"r1": "10 10 1-1", "total": 30})
    floor.redis.zadd(f"{prefix}:log_ages", {"r1": 1})
    told(floor.runs.delete_many(["r1"], actor="user:ann"))
    assert [key for key in floor.dump() if b"r1" in key or b"d1" in key or b"log_ages" in key] == []
    assert floor.redis.hgetall(f"{prefix}:log_sizes") == {b"total": b"20"}
    assert floor.redis.hkeys(floor.keys.alone) == [b"other"]
