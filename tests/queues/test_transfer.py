"""Moving runs that wait from one work queue to another."""

from __future__ import annotations

import pytest

from queues.errors import UnknownQueue
from queues.states import State
from tests.queues.floor import Floor
from tests.queues.oracle import check, look


@pytest.fixture
def two(floor: Floor) -> Floor:
    """A floor with the queues default and gpu."""
    floor.queues.create("gpu")
    return floor


def move(floor: Floor, *ids: str, queue: str = "gpu") -> int:
    moved = floor.runs.transfer(ids, queue, actor="user:bob")
    check(look(floor))
    return moved


def test_runs_that_wait_are_claimed_from_their_new_queue_in_the_order_of_their_due_times(two: Floor) -> None:
    two.make("r1", "r2", "r3")
    two.make("g1", queue="gpu")
    two.travel(1)
    two.make("g2", queue="gpu")
    assert move(two, "r3", "r1") == 2
    assert (two.line("default"), two.line("gpu")) == (["r2"], ["r1", "r3", "g1", "g2"])
    assert two.claim_ids(2, "gpu") == ["r1", "r3"]


def test_a_move_is_told_in_the_history_and_does_not_change_the_state(two: Floor) -> None:
    two.make("r1")
    move(two, "r1")
    _, second = two.run("r1").history
    assert (second.state, second.actor, second.reason) == (State.QUEUED, "user:bob", "moved from work queue default")
    assert two.redis.hget(two.keys.rq_job("r1"), "origin") == b"gpu"
    two.finish(two.claim(1, "gpu")[0])
    assert [line.state for line in two.run("r1").history][:3] == ["QUEUED", "QUEUED", "PENDING"]


def test_a_run_that_is_not_due_yet_is_due_on_the_new_queue(two: Floor) -> None:
    two.make("later", due_us=two.scripts.now_us() + 60_000_000)
    assert move(two, "later") == 1 and two.line("gpu") == []
    two.travel(61)
    two.runs.promote()
    assert two.line("gpu") == ["later"] and two.line("default") == []


def test_runs_that_are_held_or_ended_or_unknown_or_there_already_stay(two: Floor) -> None:
    two.finish(two.start("ended"))
    two.start("held")
    two.make("there", queue="gpu")
    before = two.dump()
    assert move(two, "ended", "held", "there", "gone") == 0
    assert two.dump() == before


def test_moving_again_changes_nothing(two: Floor) -> None:
    two.make("r1", "r2")
    assert move(two, "r1", "r2") == 2
    before = two.dump()
    assert move(two, "r1", "r2") == 0
    assert two.dump() == before


def test_an_unknown_queue_moves_nothing(two: Floor) -> None:
    two.make("r1")
    before = two.dump()
    with pytest.raises(UnknownQueue, match=r"'gpuu'; did you mean 'gpu'\?"):
        two.runs.transfer(["r1"], "gpuu", actor="bob")
    assert two.dump() == before


def test_a_run_parked_under_a_full_limit_stays_parked_and_the_next_free_slot_finds_it(two: Floor) -> None:
    two.limits.set("tag:x", 1, "ann")
    held = two.start("held", limits=("tag:x",))
    two.make("p1", "p2", limits=("tag:x",))
    assert two.claim_ids(2) == [] and two.run("p1").parked == "tag:x"
    assert move(two, "p1", "p2") == 2 and two.run("p1").parked == "tag:x"
    assert two.redis.exists(two.keys.parked("tag:x", "default")) == 0
    two.finish(held)
    assert two.claim_ids(2, "gpu") == ["p1"]


def test_a_parked_run_whose_limit_has_room_goes_into_line(two: Floor) -> None:
    two.limits.set("tag:x", 1, "ann")
    two.start("held", limits=("tag:x",))
    two.make("p1", "p2", "p3", limits=("tag:x",))
    two.claim_ids(3)
    two.limits.set("tag:x", None, "ann")
    assert move(two, "p1", "p2", "p3") == 3
    assert two.line("gpu") == ["p1", "p2", "p3"]


def test_an_idle_agent_of_the_new_queue_is_woken(two: Floor) -> None:
    two.make("r1")
    assert two.claim_ids(1, "gpu", agent="a2") == []
    move(two, "r1")
    assert two.redis.lrange(two.keys.wake("a2"), 0, -1) == [b"work"]


def test_more_runs_than_one_call_takes_are_moved_in_several(two: Floor) -> None:
    ids = two.make(*(f"r{number:03}" for number in range(250)))
    assert move(two, *ids) == 250
    assert two.line("gpu") == ids


def test_the_next_run_of_a_limit_takes_the_place_of_one_that_leaves_the_line(two: Floor) -> None:
    two.limits.set("tag:x", 1, "ann")
    held = two.start("held", limits=("tag:x",))
    two.make("p1", "p2", "p3", limits=("tag:x",))
    two.claim_ids(3)
    two.finish(held)
    assert (two.line(), two.run("p2").parked) == (["p1"], "tag:x")
    assert move(two, "p1") == 1 and two.line() == ["p2"]
    assert move(two, "p3") == 1 and two.run("p3").parked is None
    assert (two.line("gpu"), two.claim_ids(3)) == (["p1", "p3"], ["p2"])
