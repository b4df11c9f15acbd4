"""Records of runs that have ended: compact, with their whole history, listed where they belong; old ones are read."""

from hashlib import sha1

import pytest

from queues.repair import Repair
from queues.states import State
from tests.queues.floor import Floor
from tests.queues.test_repair import passes


@pytest.mark.parametrize("reason", ["", "gave up", "two\nlines", "é" * 400, "@ = R", "bad \udcff byte"])
def test_a_run_that_has_ended_keeps_its_history_as_it_was(floor: Floor, reason: str) -> None:
    claim = floor.start("r1", groups=("deployment:d1",), reason=reason)
    before = floor.run("r1").history
    floor.finish(claim, state="FAILED", reason=reason)
    after = floor.run("r1")
    assert after.problem == "" and len(before) == 3 and after.history[:3] == before
    last = after.history[3]
    assert (last.state, last.actor, last.reason) == (State.FAILED, "agent:a1", after.reason)


def test_a_record_that_a_version_before_has_ended_is_read_as_ever(floor: Floor) -> None:
    floor.finish(floor.start("r1"))
    history, made_us = floor.run("r1").history, floor.run("r1").created_us
    floor.redis.hdel(floor.keys.run("r1"), "past")
    lines = [f"{move.at_us - made_us} {move.state} {move.actor}" for move in history]
    floor.redis.hset(floor.keys.run("r1"), mapping={f"h{number}": line for number, line in enumerate(lines, 1)})
    assert len(history) == 4 and floor.run("r1").history == history


def test_what_a_version_before_has_ended_goes_to_its_part_of_the_index_which_is_no_damage(floor: Floor) -> None:
    floor.finish(floor.start("r1", groups=("deployment:d",), fields={"tags": "ml"}))
    floor.make("live", groups=("deployment:d",))
    part = floor.keys.part("deployment:d", "COMPLETED|default|" + sha1(b"ml").hexdigest()[:16])
    made = floor.redis.zscore(part, "r1")
    floor.redis.delete(part, floor.keys.parts("deployment:d"))
    floor.redis.hdel(floor.keys.run("r1"), "group_numbers")
    floor.redis.hset(floor.keys.run("r1"), "groups", "deployment:d")
    floor.redis.zadd(floor.keys.group_before("deployment:d"), {"r1": made})
    assert passes(Repair(floor.scripts)) == {}
    assert floor.redis.zscore(part, "r1") == made and not floor.redis.exists(floor.keys.group_before("deployment:d"))
    assert floor.redis.hvals(floor.keys.parts("deployment:d")) == [b"ml"]
    assert floor.runs.forget(["r1"]) == 1
    assert not floor.redis.exists(part, floor.keys.parts("deployment:d"))
