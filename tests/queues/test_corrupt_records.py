"""Records and keys that something else wrote: one run ends or leaves its line, says why, and all others go on."""

from __future__ import annotations

import pytest

from queues.claims import Claim, ClaimReply
from queues.records import UNREADABLE
from queues.repair import Repair
from queues.runs import NewRun
from queues.states import State
from tests.queues.floor import Floor, proof
from tests.queues.test_leases import held

STRANGE_NUMBERS = ("no number", "", "-1", "1e3", "0x10", "nan", str(1 << 63), "9" * 40, "1.5")


def claim(floor: Floor, count: int = 5, *queues: str, **more: object) -> ClaimReply:
    """Claim, with all that the answer says."""
    return floor.agent().claim(queues or ("default",), count, claim_id=f"c-{floor.redis.incr('claims')}", **more)


def ids(reply: ClaimReply) -> list[str]:
    """The runs that were claimed."""
    return [claim.run_id for claim in reply.claims]


def counter(floor: Floor, name: str) -> int:
    """A counter of the installation."""
    return int(floor.redis.hget(floor.keys.counters, name) or 0)


def bad_record(floor: Floor, run_id: str) -> str:
    """The reason of a run that FAILED for its record."""
    run = floor.run(run_id)
    assert (run.state, run.state_name, run.held) == (State.FAILED, "BadRecord", ()), run
    assert not floor.redis.zscore(floor.keys.leases, run_id)
    return run.reason


# ------------------------------------------------------------------ an id without a record
def test_an_id_without_a_record_leaves_the_line_is_counted_and_told_once(floor: Floor) -> None:
    floor.make("r1", "r2")
    floor.redis.delete(floor.keys.run("r1"))
    reply = claim(floor)
    assert ids(reply) == ["r2"] and reply.problems == ("dropped r1 from a line: it has no record",)
    assert counter(floor, "orphan_entries") == 1 and floor.line() == []


def test_a_lease_without_a_record_is_dropped_and_expiry_goes_on(floor: Floor) -> None:
    floor.start("r1")
    floor.redis.zadd(floor.keys.leases, {"ghost": 1})
    floor.travel(40)
    assert floor.leases.expire_once().requeued == ("r1",) and counter(floor, "orphan_leases") == 1


# ------------------------------------------------------------------ keys of another type
def test_a_record_of_a_wrong_type_leaves_the_line_at_once_and_is_named(floor: Floor) -> None:
    floor.make("r1", "r2")
    floor.redis.delete(floor.keys.run("r1"))
    floor.redis.set(floor.keys.run("r1"), "mine now")
    reply = claim(floor)
    assert ids(reply) == ["r2"] and "run:r1 to be a hash, got a string" in reply.problems[0]
    assert floor.redis.get(floor.keys.run("r1")) == b"mine now", "it is left for people to look at"


@pytest.mark.parametrize("key", ["waiting:ml", "holders:queue:ml", "queue:ml", "parked_in:ml"])
def test_a_key_of_a_wrong_type_stops_its_own_queue_only_and_is_named_once(floor: Floor, key: str) -> None:
    floor.queues.create("ml", limit=5)
    floor.make("m1", queue="ml", limits=("tag:gpu",))
    floor.make("r1")
    floor.redis.delete(f"{{headgate}}:{key}")
    floor.redis.set(f"{{headgate}}:{key}", "mine now")
    agent = floor.agent()
    reply = agent.claim(["ml", "default"], 5, claim_id="c1")
    assert "r1" in ids(reply)
    if "m1" not in ids(reply):
        assert f"{key} to be a" in reply.problems[0] and "headgate doctor" in reply.problems[0]
    assert agent.claim(["ml", "default"], 5, claim_id="c2").problems == ()


def test_one_wrong_record_among_the_held_ones_costs_no_other_its_lease(floor: Floor) -> None:
    first, second = floor.start("r1"), floor.start("r2")
    floor.redis.delete(floor.keys.run("r1"))
    floor.redis.set(floor.keys.run("r1"), "mine now")
    renewed = floor.agent().renew([held(first), held(second)])
    assert (renewed.lost, set(renewed.deadlines)) == ({"r1"}, {"r2"})


# ------------------------------------------------------------------ numbers that are none
@pytest.mark.parametrize("field", ["token", "created", "due", "attempt", "moves"])
@pytest.mark.parametrize("value", STRANGE_NUMBERS)
def test_a_waiting_run_with_a_number_that_is_none_fails_and_others_go_on(floor: Floor, field: str, value: str) -> None:
    floor.make("r1", "r2", limits=("tag:gpu",))
    floor.limits.set("tag:gpu", 1, "user:ann")
    floor.redis.hset(floor.keys.run("r1"), field, value)
    reply = claim(floor)
    assert ids(reply) == ["r2"] and bad_record(floor, "r1") == f"rejected: its {field} is {value}"


@pytest.mark.parametrize(("field", "value"), [("state", "BANANA"), ("queue", None), ("state", None), ("x", "y" * 65)])
def test_a_record_that_misses_what_every_verb_needs_fails_wherever_it_is_met(
    floor: Floor, field: str, value: str | None
) -> None:
    floor.make("r1", "r2")
    if value is None:
        floor.redis.hdel(floor.keys.run("r1"), field)
    else:
        floor.redis.hset(floor.keys.run("r1"), field, value)
    assert ids(claim(floor)) == ["r2"]
    assert bad_record(floor, "r1").startswith("rejected: its ") or "no queue or no state" in bad_record(floor, "r1")
    assert Repair(floor.scripts).repair_once().counts.get("bad_records", 0) == 0


@pytest.mark.parametrize("value", [*STRANGE_NUMBERS, "1"])
def test_a_held_run_whose_token_was_changed_fails_and_its_owner_must_stop(floor: Floor, value: str) -> None:
    floor.start("r0")
    claim = floor.start("r1")
    floor.redis.hset(floor.keys.run("r1"), "token", value)
    assert floor.agent().renew([held(claim)]).lost == {"r1"}
    floor.travel(40)
    floor.leases.expire_once()
    assert "its token is" in bad_record(floor, "r1")
    assert floor.finish(claim).state == State.FAILED


def test_a_run_whose_claim_was_lost_and_arrives_again_is_lost_to_its_owner_and_no_bad_record(floor: Floor) -> None:
    claim = floor.start("r1")
    floor.redis.hset(floor.keys.run("r1"), "token", claim.token + (1 << 20))
    assert floor.agent().renew([held(claim)]).lost == {"r1"}
    assert (floor.run("r1").state, floor.run("r1").state_name) == (State.RUNNING, None)
    floor.travel(40)
    floor.leases.expire_once()
    assert floor.run("r1").state == State.QUEUED


def test_a_delayed_run_and_one_met_by_repair_fail_the_same_way(floor: Floor) -> None:
    floor.make("r1", due_us=floor.scripts.now_us() + 5_000_000)
    floor.make("r2", "r3")
    floor.redis.hset(floor.keys.run("r1"), "moves", "many")
    floor.redis.hset(floor.keys.run("r2"), "attempt", "first")
    floor.travel(6)
    floor.runs.promote()
    Repair(floor.scripts).repair_once()
    assert [bad_record(floor, run) for run in ("r1", "r2")] == [
        "rejected: its moves is many",
        "rejected: its attempt is first",
    ]
    assert ids(claim(floor)) == ["r3"] and counter(floor, "bad_records") == 2


@pytest.mark.parametrize("value", [None, "0", "no number", str(1 << 63), str((1 << 63) - 1), "-5"])
def test_tokens_grow_although_their_counter_was_removed_or_spoilt(floor: Floor, value: str | None) -> None:
    claim: Claim = floor.start("r1")
    floor.redis.delete(floor.keys.token)
    if value is not None:
        floor.redis.set(floor.keys.token, value)
    floor.agent().release(*proof(claim), reason="drain")
    (again,) = floor.claim()
    assert claim.token < floor.run("r1").token <= again.token
    assert floor.finish(again).state == State.COMPLETED


# ------------------------------------------------------------------ deadlines that no lease has
@pytest.mark.parametrize("deadline", ["-inf", "-1", "0"])
def test_a_deadline_before_all_time_is_an_ended_lease(floor: Floor, deadline: str) -> None:
    floor.start("r1")
    floor.redis.zadd(floor.keys.leases, {"r1": float(deadline)})
    assert floor.leases.expire_once().requeued == ("r1",)
    assert floor.run("r1").reason == "agent a1 was lost, lease ended before it began"


@pytest.mark.parametrize("deadline", ["inf", "7258118400000000", "1e300"])
def test_a_deadline_beyond_any_lease_is_cut_to_a_lease_from_now(floor: Floor, deadline: str) -> None:
    floor.start("r1")
    floor.redis.zadd(floor.keys.leases, {"r1": float(deadline)})
    assert floor.leases.expire_once().count == 0
    assert floor.redis.zscore(floor.keys.leases, "r1") <= floor.scripts.now_us() + 30_000_000
    floor.travel(40)
    assert floor.leases.expire_once().requeued == ("r1",)


def test_a_deadline_that_is_no_number_is_refused_by_redis_itself(floor: Floor) -> None:
    with pytest.raises(Exception, match=r"not a valid float|nan"):
        floor.redis.zadd(floor.keys.leases, {"r1": float("nan")})


# ------------------------------------------------------------------ what is only shown
def test_a_list_shows_a_record_that_can_not_be_read_beside_the_others(floor: Floor) -> None:
    floor.make("r1", "r2")
    floor.redis.hset(floor.keys.run("r1"), mapping={"state": "BANANA", "h1": "no line", "due": "soon", "\xff": "x"})
    spoilt, sound = floor.runs.get_many(["r1", "r2"])
    assert spoilt is not None and sound is not None and sound.problem == ""
    assert (spoilt.state_name, spoilt.problem) == (UNREADABLE, "its state can not be read: 'BANANA'")


# ------------------------------------------------------------------ what is not ours, and scripts that are gone
def test_keys_of_others_under_our_prefix_and_rqs_own_are_neither_read_nor_removed(floor: Floor) -> None:
    floor.make("r1")
    strangers = [
        "{headgate}:notes",
        "{headgate}:run",
        "{headgate}:cache:run:r9",
        "{headgate}:rq:job:theirs",
        "rq:queues",
    ]
    for key in strangers:
        floor.redis.set(key, "theirs")
    repair = Repair(floor.scripts)
    for _ in range(3):
        assert repair.repair_once().wrong == ()
    floor.finish(floor.claim()[0])
    floor.runs.forget(["r1"])
    assert [floor.redis.get(key) for key in strangers] == [b"theirs"] * len(strangers)


def test_flushed_scripts_are_loaded_again_by_their_content(floor: Floor) -> None:
    claim = floor.start("r1")
    floor.redis.script_flush()
    assert floor.finish(claim).state == State.COMPLETED
    floor.redis.script_flush()
    assert [made.created for made in floor.runs.create([NewRun(id="r2", queue="default", actor="a")])] == [True]


def test_a_limit_that_is_no_number_lets_none_of_its_runs_in_and_stops_no_other(floor):
    floor.redis.hset(floor.keys.limits, "tag:gpu", "two")
    floor.make("r1", limits=("tag:gpu",))
    floor.make("r2")
    assert floor.claim_ids(2) == ["r2"] and floor.limits.all() == {"tag:gpu": 0}
    floor.limits.set("tag:gpu", 1, "ann")
    assert floor.claim_ids(2) == ["r1"]
