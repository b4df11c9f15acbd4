"""Records of a newer schema are left where they are by everyone who does not know it; new fields are ignored."""

from __future__ import annotations

import pytest

from queues.errors import NewerSchema
from queues.presence import Presence
from queues.repair import Repair
from queues.runs import NewRun
from queues.states import State
from tests.queues.floor import Floor
from tests.queues.test_corrupt_records import claim, ids
from tests.queues.test_presence import register


def from_the_future(floor: Floor, *runs: str, needs: str | None = "0.3") -> None:
    """Let runs be written by a version that is newer."""
    for run in runs:
        floor.redis.hset(
            floor.keys.run(run), mapping={"schema": "3", "shape": "new"} | ({"needs": needs} if needs else {})
        )


def test_a_waiting_run_of_a_newer_schema_stays_and_others_go_on(floor: Floor) -> None:
    floor.make("r1", "r2", "r3")
    from_the_future(floor, "r1")
    before = floor.redis.hgetall(floor.keys.run("r1"))
    reply = claim(floor)
    assert ids(reply) == ["r2", "r3"] and floor.line() == ["r1"]
    assert reply.problems == (
        "something that this agent leaves alone was written by a newer Headgate: needs headgate >= 0.3",
    )
    assert floor.redis.hgetall(floor.keys.run("r1")) == before


def test_an_agent_says_once_what_it_leaves_alone(floor: Floor) -> None:
    floor.make("r1")
    from_the_future(floor, "r1")
    agent = floor.agent()
    told = [agent.claim(["default"], 1, claim_id=f"c{number}").problems for number in range(3)]
    assert [len(problems) for problems in told] == [1, 0, 0]


def test_many_of_them_at_the_head_of_a_line_hide_nothing(floor: Floor) -> None:
    runs = floor.make(*[f"n{number:03}" for number in range(450)])
    floor.make("last")
    from_the_future(floor, *runs)
    agent, calls, found = floor.agent(), 0, list[str]()
    while not found:
        reply = agent.claim(["default"], 1, claim_id=f"c{calls}")
        found, calls = ids(reply), calls + 1
        assert reply.more or found
    assert (found, calls) == (["last"], 3)


def test_nobody_expires_promotes_repairs_or_forgets_them(floor: Floor) -> None:
    floor.start("held")
    floor.make("later", due_us=floor.scripts.now_us() + 5_000_000)
    floor.finish(floor.start("done"))
    from_the_future(floor, "held", "later", "done")
    floor.travel(100)
    assert floor.leases.expire_once().count == 0 and floor.runs.promote().count == 0
    assert Repair(floor.scripts).repair_once().count == 0 and floor.runs.forget(["done"]) == 0
    assert [floor.state(run) for run in ("held", "later", "done")] == [State.RUNNING, State.SCHEDULED, State.COMPLETED]


def test_a_cancel_is_refused_with_the_version_that_it_needs(floor: Floor) -> None:
    floor.make("r1")
    from_the_future(floor, "r1", needs=None)
    with pytest.raises(NewerSchema, match="the run r1 was written by a newer Headgate: needs headgate >= the version"):
        floor.runs.cancel("r1", actor="user:ann")


def test_a_kept_answer_of_a_newer_version_is_not_guessed_at(floor: Floor) -> None:
    floor.redis.set(floor.keys.request("q.0"), "v2 something new")
    with pytest.raises(NewerSchema, match="the kept answer of request"):
        floor.runs.create([NewRun(id="r1", queue="default", actor="a")], request_id="q")


def test_a_queue_of_a_newer_schema_is_left_alone_and_the_others_are_served(floor: Floor) -> None:
    floor.queues.create("ml")
    floor.make("m1", queue="ml")
    floor.make("r1")
    floor.redis.hset(floor.keys.queue("ml"), mapping={"schema": "2", "needs": "1.0"})
    reply = claim(floor, 5, "ml", "default")
    assert ids(reply) == ["r1"] and "needs headgate >= 1.0" in reply.problems[0]


def test_fields_that_are_not_known_are_kept_and_ignored(floor: Floor) -> None:
    floor.make("r1")
    floor.redis.hset(floor.keys.run("r1"), "colour", "blue")
    (taken,) = floor.claim()
    floor.finish(taken)
    assert floor.run("r1").fields["colour"] == "blue" and floor.run("r1").problem == ""


def test_every_record_says_its_schema(floor: Floor) -> None:
    register(Presence(floor.scripts))
    floor.queues.create("ml")
    floor.make("r1")
    keys = (floor.keys.run("r1"), floor.keys.agent("a1"), floor.keys.queue("ml"), floor.keys.queue("default"))
    assert [floor.redis.hget(key, "schema") for key in keys] == [b"1"] * 4
