"""Runs of limits that an agent avoids: left in line at their place, hiding nothing behind them."""

from __future__ import annotations

from tests.queues.floor import Floor
from tests.queues.test_corrupt_records import claim, ids


def test_what_is_avoided_stays_in_line_for_the_others(floor: Floor) -> None:
    floor.make("r1", "r2", limits=("deployment:gone",))
    floor.make("r3")
    assert ids(claim(floor, avoid=("deployment:gone",))) == ["r3"]
    assert floor.line() == ["r1", "r2"] and floor.run("r1").attempt == 0
    assert floor.claim_ids(5, agent="a2") == ["r1", "r2"]


def test_a_long_line_of_what_is_avoided_is_gone_through_in_bounded_steps(floor: Floor) -> None:
    floor.make(*[f"n{number:04}" for number in range(900)], limits=("deployment:gone",))
    floor.make("last")
    agent, calls, found = floor.agent(), 0, list[str]()
    while not found:
        reply = agent.claim(["default"], 2, claim_id=f"c{calls}", avoid=("deployment:gone",))
        found, calls = ids(reply), calls + 1
    assert (found, calls, reply.more) == (["last"], 5, False)
    floor.make("next")
    again = [agent.claim(["default"], 2, claim_id=f"d{number}", avoid=("deployment:gone",)) for number in range(5)]
    assert [ids(reply) for reply in again] == [[], [], [], [], ["next"]], "a new look begins at the head"


def test_a_limit_that_is_full_parks_what_is_not_avoided_as_ever(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 1, "user:ann")
    floor.make("r1", "r2", limits=("tag:gpu",))
    floor.make("r3", limits=("deployment:gone",))
    assert ids(claim(floor, avoid=("deployment:gone",))) == ["r1"]
    assert (floor.run("r2").parked, floor.run("r3").parked) == ("tag:gpu", None)
