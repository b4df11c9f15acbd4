"""Limits: sets of holders, parking, and what changes of a limit do to runs that hold or wait."""

import time

import pytest

from queues.errors import InvalidValue
from queues.runs import NewRun
from queues.states import State
from tests.queues.floor import Floor, proof
from tests.queues.oracle import check, look


def parked(floor: Floor, limit: str) -> list[str]:
    """The ids parked under a limit."""
    return [run.run_id for run in floor.limits.parked(limit)]


def cpu_seconds(floor: Floor) -> float:
    """Processor time that Redis and this process have used: what calls cost, also on a busy machine."""
    used = floor.redis.info("cpu")
    return used["used_cpu_user"] + used["used_cpu_sys"] + time.process_time()


def test_all_limits_of_a_run_are_checked_before_any_is_taken(floor: Floor) -> None:
    floor.limits.set("tag:full", 1, "ann")
    floor.start("r0", limits=("tag:full",))
    floor.make("r1", limits=("tag:free", "tag:full"))
    assert floor.claim_ids() == []
    assert floor.limits.holders("tag:free") == []
    assert [run for run, _ in floor.limits.holders("queue:default")] == ["r0"]


def test_a_blocked_run_is_parked_once_and_returns_to_its_place_when_the_limit_frees(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 1, "ann")
    holder = floor.start("r0", limits=("tag:gpu",))
    floor.make("r1", "r2", limits=("tag:gpu",))
    floor.make("r3")
    assert floor.claim_ids(9) == ["r3"]
    assert parked(floor, "tag:gpu") == ["r1", "r2"] and floor.run("r1").parked == "tag:gpu"
    floor.finish(holder)
    assert (floor.line(), parked(floor, "tag:gpu")) == (["r1"], ["r2"])
    assert floor.claim_ids(9) == ["r1"]


def test_ten_thousand_blocked_runs_delay_a_free_one_by_less_than_a_second(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 1, "ann")
    floor.start("holder", limits=("tag:gpu",))
    new = [NewRun(id=f"b{number}", queue="default", actor="t", limits=("tag:gpu",)) for number in range(10_000)]
    floor.runs.create([*new, NewRun(id="free", queue="default", actor="t")])
    began, calls, got = cpu_seconds(floor), 0, []
    while not got:
        calls += 1
        reply = floor.agent().claim(["default"], 1, claim_id=f"c{calls}")
        got = [claim.run_id for claim in reply.claims]
        assert got or reply.more
    assert got == ["free"] and cpu_seconds(floor) - began < 1.0
    assert calls == 51, "one call looks at 200 runs at most"
    assert len(floor.queues.waiting("default", 20_000)) == 10_000


def test_a_lowered_limit_kills_nothing_and_lets_nothing_in_until_it_is_met(floor: Floor) -> None:
    floor.queues.create("ml", limit=3)
    floor.make("r1", "r2", "r3", "r4", queue="ml")
    claims = floor.claim(9, "ml")
    floor.queues.set_limit("ml", 1, "ann")
    assert floor.limits.room("queue:ml") == -2
    assert [floor.state(claim.run_id) for claim in claims] == [State.PENDING] * 3
    for claim in claims[:2]:
        floor.finish(claim)
        assert floor.claim_ids(1, "ml") == []
    floor.finish(claims[2])
    assert floor.claim_ids(9, "ml") == ["r4"]


def test_a_new_limit_counts_the_runs_that_are_already_running(floor: Floor) -> None:
    floor.start("r1", limits=("tag:gpu",))
    floor.limits.set("tag:gpu", 1, "ann")
    floor.make("r2", limits=("tag:gpu",))
    assert floor.claim_ids() == [] and floor.limits.room("tag:gpu") == 0


@pytest.mark.parametrize("number", [2, None])
def test_a_raised_or_cleared_limit_brings_parked_runs_back(floor: Floor, number: int | None) -> None:
    floor.limits.set("tag:gpu", 1, "ann")
    floor.start("r0", limits=("tag:gpu",))
    floor.make(*[f"r{number}" for number in range(1, 70)], limits=("tag:gpu",))
    assert floor.claim_ids() == []
    floor.limits.set("tag:gpu", number, "ann")
    assert floor.claim_ids(100) == [f"r{index}" for index in range(1, 2 if number else 70)]
    check(look(floor))


def test_a_run_frees_exactly_what_it_held_whatever_its_record_says_now(floor: Floor) -> None:
    claim = floor.start("r1", limits=("tag:a", "tag:b"))
    floor.start("r2", limits=("tag:c",))
    floor.redis.hset(floor.keys.run("r1"), "limits", "tag:c")
    floor.finish(claim)
    assert floor.limits.holders("tag:a") == floor.limits.holders("tag:b") == []
    assert [run for run, _ in floor.limits.holders("tag:c")] == ["r2"]


def test_a_parked_run_that_is_cancelled_leaves_no_trace_in_its_parking_place(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 1, "ann")
    floor.start("r0", limits=("tag:gpu",))
    floor.make("r1", limits=("tag:gpu",))
    floor.claim_ids()
    floor.runs.cancel("r1", actor="user:ann")
    assert not floor.redis.keys("*parked*")
    check(look(floor))


def test_the_last_run_in_line_hands_its_place_to_the_next_when_it_is_cancelled(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 1, "ann")
    holder = floor.start("r0", limits=("tag:gpu",))
    floor.make("r1", "r2", limits=("tag:gpu",))
    floor.claim_ids(9)
    floor.finish(holder)
    floor.runs.cancel("r1", actor="user:ann")
    assert floor.claim_ids() == ["r2"]


def test_a_limit_shared_by_two_queues_frees_for_both(floor: Floor) -> None:
    floor.queues.create("a")
    floor.queues.create("b")
    floor.limits.set("tag:gpu", 1, "ann")
    claim = floor.start("r0", queue="a", limits=("tag:gpu",))
    floor.make("ra", queue="a", limits=("tag:gpu",))
    floor.make("rb", queue="b", limits=("tag:gpu",))
    assert floor.claim_ids(9, "a", "b") == []
    floor.finish(claim)
    assert (floor.line("a"), floor.line("b")) == (["ra"], ["rb"])
    assert floor.claim_ids(9, "b") == ["rb"]


def test_waiting_lists_parked_runs_at_their_places_with_the_limit(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 1, "ann")
    floor.start("r0", limits=("tag:gpu",))
    floor.make("r1", limits=("tag:gpu",))
    floor.make("r2")
    floor.make("r3", limits=("tag:gpu",))
    floor.agent().release(*proof(floor.claim()[0]), reason="t")
    assert [(run.run_id, run.parked) for run in floor.queues.waiting("default")] == [
        ("r1", "tag:gpu"),
        ("r2", None),
        ("r3", None),
    ]


def test_holders_say_since_when(floor: Floor) -> None:
    floor.start("r1", limits=("tag:gpu",))
    ((run_id, taken),) = floor.limits.holders("tag:gpu")
    assert run_id == "r1" and abs(floor.scripts.now_us() - taken) < 1_000_000


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_a_limit_is_1_to_10000_and_zero_points_to_pause(floor: Floor, number: int) -> None:
    with pytest.raises(InvalidValue, match="1 to 10000") as caught:
        floor.limits.set("tag:gpu", number, "ann")
    assert ("pause" in str(caught.value)) == (number == 0)
    assert floor.limits.get("tag:gpu") is None


def test_each_change_of_a_limit_is_kept_once(floor: Floor) -> None:
    assert floor.limits.set("tag:gpu", 2, "user:ann") is None
    assert floor.limits.set("tag:gpu", 2, "user:bob") == 2
    assert floor.limits.set("tag:gpu", None, "user:bob") == 2
    changes = [fields for _, fields in floor.redis.xrange(floor.keys.changes)]
    assert [(c[b"actor"], c[b"subject"], c[b"old"], c[b"new"]) for c in changes] == [
        (b"user:ann", b"tag:gpu", b"", b"2"),
        (b"user:bob", b"tag:gpu", b"2", b""),
    ]


def until(floor: Floor, limit: str) -> float:
    """Seconds until a limit gets its number back."""
    return (floor.redis.zscore(floor.keys.reverts, limit) - floor.scripts.now_us()) / 1e6


def changes_of(floor: Floor) -> list[tuple[str, ...]]:
    """What was recorded: who, which field, old, new."""
    entries = [fields for _, fields in floor.redis.xrange(floor.keys.changes)]
    return [tuple(entry[name].decode() for name in (b"actor", b"field", b"old", b"new")) for entry in entries]


def test_a_limit_raised_for_a_time_gets_its_number_back_once_and_no_earlier(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 3, "ann")
    floor.limits.set("tag:gpu", 6, "ann", lasts_seconds=7200)
    floor.travel(7198)
    assert floor.limits.revert_due(actor="scheduler") == [] and floor.limits.get("tag:gpu") == 6
    floor.travel(3)
    assert floor.limits.revert_due(actor="scheduler") == ["tag:gpu"]
    assert floor.limits.revert_due(actor="scheduler") == [] and floor.limits.get("tag:gpu") == 3
    assert changes_of(floor)[-1] == ("scheduler", "limit", "6", "3")
    assert not floor.redis.exists(floor.keys.reverts, floor.keys.reverts_to)


def test_a_limit_that_was_none_before_is_none_after(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 1, "ann", lasts_seconds=60)
    floor.start("r0", limits=("tag:gpu",))
    floor.make("r1", "r2", limits=("tag:gpu",))
    assert floor.claim_ids(9) == []
    floor.travel(61)
    floor.limits.revert_due(actor="scheduler")
    assert floor.limits.all() == {} and floor.claim_ids(9) == ["r1", "r2"]
    check(look(floor))


def test_a_change_for_good_makes_the_one_for_a_time_forgotten(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 3, "ann")
    for number in (5, 4, None):
        floor.limits.set("tag:gpu", 4, "ann", lasts_seconds=60)
        floor.limits.set("tag:gpu", number, "bob")
        floor.travel(61)
        assert floor.limits.revert_due(actor="scheduler") == [] and floor.limits.get("tag:gpu") == number
    assert ("bob", "limit_until") in [change[:2] for change in changes_of(floor)]


def test_a_second_change_for_a_time_leads_back_to_the_number_before_both(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 3, "ann")
    floor.limits.set("tag:gpu", 6, "ann", lasts_seconds=60)
    floor.limits.set("tag:gpu", 8, "ann", lasts_seconds=600)
    assert until(floor, "tag:gpu") == pytest.approx(600, abs=5)
    floor.travel(601)
    floor.limits.revert_due(actor="scheduler")
    assert floor.limits.get("tag:gpu") == 3


def test_a_number_that_an_older_version_set_meanwhile_stays(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 3, "ann")
    floor.limits.set("tag:gpu", 6, "ann", lasts_seconds=60)
    floor.redis.hset(floor.keys.limits, "tag:gpu", 4)
    floor.travel(61)
    assert floor.limits.revert_due(actor="scheduler") == [] and floor.limits.get("tag:gpu") == 4


def test_changing_for_a_time_to_the_number_that_stands_changes_nothing(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 3, "ann")
    before = floor.dump()
    assert floor.limits.set("tag:gpu", 3, "ann", lasts_seconds=60) == 3
    assert floor.dump() == before
    with pytest.raises(InvalidValue, match="366 days"):
        floor.limits.set("tag:gpu", 3, "ann", lasts_seconds=0.5)


def test_a_hundred_limits_are_set_back_per_call(floor: Floor) -> None:
    for number in range(120):
        floor.limits.set(f"tag:t{number}", 2, "ann", lasts_seconds=5)
    floor.travel(6)
    counts = [len(floor.limits.revert_due(actor="scheduler")) for _ in range(3)]
    assert counts == [100, 20, 0] and floor.limits.all() == {}
