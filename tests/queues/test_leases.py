"""Leases: renewing, expiry after the grace, and what becomes of a run whose agent is gone."""

import pytest

from queues.claims import Claim, Held
from queues.states import State
from tests.queues.floor import Floor, proof


def held(claim: Claim, confirmed: bool = True) -> Held:
    """A claim as a renewal lists it."""
    return Held(run_id=claim.run_id, token=claim.token, claim_id=claim.claim_id, confirmed=confirmed)


def test_nothing_expires_before_lease_and_grace_are_over(floor: Floor) -> None:
    floor.start("r1")
    floor.travel(31.5)
    assert floor.leases.expire_once().count == 0
    floor.travel(0.8)
    assert floor.leases.expire_once().requeued == ("r1",)


def test_an_expired_run_is_first_in_line_with_a_new_token_and_says_who_lost_it(floor: Floor) -> None:
    claim = floor.start("r1", agent="worker-3", limits=("tag:gpu",))
    floor.make("r2")
    floor.travel(40)
    floor.leases.expire_once()
    run = floor.run("r1")
    assert floor.line() == ["r1", "r2"] and run.token > claim.token
    assert (run.state, run.lost, run.failures, run.held) == (State.QUEUED, 1, 0, ())
    assert run.reason.startswith("agent worker-3 was lost, lease ended 20") and run.reason.endswith("Z")
    assert floor.limits.holders("tag:gpu") == floor.limits.holders("queue:default") == []


def test_a_run_is_crashed_at_its_third_loss(floor: Floor) -> None:
    floor.make("r1")
    for _ in range(3):
        (claim,) = floor.claim()
        floor.travel(40)
        expired = floor.leases.expire_once()
    run = floor.run("r1")
    assert (expired.crashed, run.state, run.lost, claim.attempt) == (("r1",), State.CRASHED, 3, 3)
    assert "a1" in run.reason and run.reason.endswith("loss 3 of 3")


def test_a_run_that_may_not_be_rerun_is_crashed_at_once(floor: Floor) -> None:
    floor.start("r1", on_lost="crash")
    floor.travel(40)
    assert floor.leases.expire_once().crashed == ("r1",)
    assert floor.line() == [] and floor.limits.holders("queue:default") == []


def test_a_cancelling_run_that_expires_or_is_released_ends_cancelled(floor: Floor) -> None:
    floor.start("r1")
    claim = floor.start("r2")
    for run_id in ("r1", "r2"):
        floor.runs.cancel(run_id, actor="user:ann")
    floor.agent().release(*proof(claim), reason="drain")
    floor.travel(40)
    assert floor.leases.expire_once().cancelled == ("r1",)
    assert (floor.state("r1"), floor.state("r2")) == (State.CANCELLED, State.CANCELLED)


def test_renew_extends_only_what_is_listed_and_the_rest_expires(floor: Floor) -> None:
    kept = floor.start("r1")
    floor.start("r2")
    floor.travel(20)
    renewed = floor.agent().renew([held(kept)])
    assert list(renewed.deadlines) == ["r1"]
    assert renewed.deadlines["r1"] - floor.scripts.now_us() == pytest.approx(30e6, abs=1e6)
    floor.travel(20)
    assert floor.leases.expire_once().requeued == ("r2",)


def test_renew_tells_what_is_lost_and_what_is_to_be_cancelled(floor: Floor) -> None:
    lost, cancelling, ended = floor.start("r1"), floor.start("r2"), floor.start("r3")
    floor.finish(ended)
    floor.travel(20)
    floor.agent().renew([held(cancelling)])
    floor.travel(20)
    floor.leases.expire_once()
    floor.runs.cancel("r2", actor="user:ann")
    renewed = floor.agent().renew([held(claim) for claim in (lost, cancelling, ended)])
    assert (renewed.lost, renewed.cancelling) == ({"r1", "r3"}, {"r2"})
    assert set(renewed.deadlines) == {"r2"}


def test_renewing_a_lost_run_changes_nothing_about_it(floor: Floor) -> None:
    old = floor.start("r1")
    floor.travel(40)
    floor.leases.expire_once()
    (new,) = floor.claim(agent="a2")
    before = floor.dump()
    assert floor.agent().renew([held(old)]).lost == {"r1"}
    assert floor.dump() == before
    assert floor.finish(new, agent="a2").state == State.COMPLETED


def test_a_run_that_does_not_start_in_time_is_named_and_expires_into_a_new_attempt(floor: Floor) -> None:
    floor.make("r1")
    (claim,) = floor.claim()
    agent = floor.agent(start_timeout_seconds=60)
    for _ in range(3):
        floor.travel(19)
        assert agent.renew([held(claim, confirmed=False)]).stalled == set()
    floor.travel(4)
    renewed = agent.renew([held(claim, confirmed=False)])
    assert (renewed.stalled, renewed.deadlines) == ({"r1"}, {})
    floor.travel(31)
    floor.leases.expire_once()
    assert "did not start it" in floor.run("r1").reason
    assert floor.claim()[0].attempt == 2


def test_a_confirm_that_redis_lost_is_made_good_by_the_next_renewal(floor: Floor) -> None:
    floor.make("r1")
    (claim,) = floor.claim()
    floor.agent().renew([held(claim, confirmed=True)])
    assert floor.state("r1") == State.RUNNING


def test_deadlines_further_ahead_than_a_lease_are_brought_back(floor: Floor) -> None:
    floor.start("r1")
    far = floor.scripts.now_us() + 3600 * 1_000_000
    floor.redis.zadd(floor.keys.leases, {"r1": far})
    floor.leases.expire_once()
    assert floor.redis.zscore(floor.keys.leases, "r1") - floor.scripts.now_us() == pytest.approx(30e6, abs=1e6)


def test_a_queue_may_have_a_lease_of_its_own(floor: Floor) -> None:
    floor.queues.create("slow", lease=120)
    claim = floor.start("r1", queue="slow")
    assert claim.lease_seconds == 120
    floor.leases.expire_once()
    assert floor.redis.zscore(floor.keys.leases, "r1") == claim.deadline_us
    floor.travel(100)
    assert floor.leases.expire_once().count == 0
    floor.queues.set_lease("slow", 10, "ann")
    deadline = floor.agent().renew([held(claim)]).deadlines["r1"]
    assert deadline - floor.scripts.now_us() == pytest.approx(10e6, abs=1e6)


def test_one_pass_expires_no_more_than_asked_and_says_that_more_is_left(floor: Floor) -> None:
    floor.make(*[f"r{number}" for number in range(5)])
    floor.claim(5)
    floor.travel(40)
    first = floor.leases.expire_once(limit=3)
    second = floor.leases.expire_once(limit=3)
    assert (first.count, first.more, second.count, second.more) == (3, True, 2, False)


def test_a_lease_of_a_run_that_is_not_held_is_dropped_and_counted(floor: Floor) -> None:
    floor.make("r1")
    floor.redis.zadd(floor.keys.leases, {"r1": 1, "gone": 1})
    assert floor.leases.expire_once().count == 0
    assert floor.redis.zcard(floor.keys.leases) == 0 and floor.state("r1") == State.QUEUED
    assert floor.redis.hget(floor.keys.counters, "orphan_leases") == b"2"


def test_after_a_return_of_redis_nothing_is_claimed_or_expired_until_the_window_ends(floor: Floor) -> None:
    floor.start("r1")
    floor.make("r2")
    floor.travel(40)
    now = floor.scripts.now_us()
    window = {"no_claims_before": now + 2_000_000, "no_expiry_before": now + 32_000_000}
    floor.redis.hset(floor.keys.recovery, mapping=window)
    reply = floor.agent().claim(["default"], 1, claim_id="c1")
    assert reply.claims == [] and 1_000_000 < reply.hold_us <= 2_000_000
    assert floor.leases.expire_once().hold_us > 31_000_000
    floor.travel(3)
    assert floor.claim_ids() == ["r2"] and floor.leases.expire_once().count == 0
    floor.travel(31)
    assert floor.leases.expire_once().requeued == ("r1",)


def test_in_the_window_an_agent_takes_back_a_run_whose_claim_was_lost_with_the_tail(floor: Floor) -> None:
    floor.make("r1", limits=("tag:gpu",))
    lost_claim = Held(run_id="r1", token=77, claim_id="c-lost", confirmed=True)
    assert floor.agent().renew([lost_claim]).lost == {"r1"}
    floor.redis.hset(floor.keys.recovery, "no_expiry_before", floor.scripts.now_us() + 32_000_000)
    assert set(floor.agent().renew([lost_claim]).deadlines) == {"r1"}
    run = floor.run("r1")
    assert (run.state, run.token, run.claim, run.agent) == (State.RUNNING, 77, "c-lost", "a1")
    assert [name for name, _ in floor.limits.holders("tag:gpu")] == ["r1"] and floor.line() == []
    floor.make("r2")
    assert floor.claim()[0].token > 77


def test_in_the_window_a_run_that_was_given_away_is_not_taken_back(floor: Floor) -> None:
    old = floor.start("r1")
    floor.travel(40)
    floor.leases.expire_once()
    floor.redis.hset(floor.keys.recovery, "no_expiry_before", floor.scripts.now_us() + 32_000_000)
    before = floor.dump()
    assert floor.agent().renew([held(old)]).lost == {"r1"}
    assert floor.dump() == before
