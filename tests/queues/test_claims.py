"""Claim, confirm, finish and release: who gets which run, and what an old claim can still do."""

import pytest

from queues.claims import Answer, Outcome
from queues.errors import InvalidValue
from queues.states import AWAITING_RETRY, State
from tests.queues.floor import Floor, proof


def test_a_claim_gives_the_token_the_lease_and_the_parameters(floor: Floor) -> None:
    floor.make("r1", data={"parameters": b"\x80\xff"}, limits=("tag:gpu",), fields={"name": "brisk-otter"})
    (claim,) = floor.claim()
    assert (claim.run_id, claim.attempt, claim.parameters) == ("r1", 1, b"\x80\xff")
    assert claim.deadline_us - floor.scripts.now_us() == pytest.approx(30e6, abs=1e6)
    assert claim.record.state == State.PENDING
    assert claim.record.held == ("queue:default", "tag:gpu")
    assert claim.record.fields == {"name": "brisk-otter"}
    assert claim.record == floor.run("r1")


def test_claims_follow_the_due_times_whatever_the_order_of_creation(floor: Floor) -> None:
    now = floor.scripts.now_us()
    for number, age in enumerate([5, 9, 1, 7]):
        floor.make(f"r{number}", due_us=now - age * 1_000_000)
    assert floor.claim_ids(9) == ["r1", "r3", "r0", "r2"]


def test_runs_made_in_one_call_stand_in_its_order(floor: Floor) -> None:
    ids = floor.make(*[f"r{(7 * number) % 50:02}" for number in range(50)])
    assert floor.claim_ids(50) == ids


def test_the_queue_of_the_highest_priority_comes_first_and_equal_ones_share_by_due_time(floor: Floor) -> None:
    for name, priority in (("slow", 5), ("fast", 1), ("also", 5)):
        floor.queues.create(name, priority=priority)
    for run_id, queue in (("s1", "slow"), ("l1", "also"), ("f1", "fast"), ("s2", "slow")):
        floor.make(run_id, queue=queue)
    assert floor.claim_ids(9, "slow", "fast", "also") == ["f1", "s1", "l1", "s2"]


def test_a_claim_takes_from_its_own_queues_only(floor: Floor) -> None:
    floor.queues.create("other")
    floor.make("r1", queue="other")
    assert floor.claim_ids(5) == []
    assert floor.claim_ids(5, "nowhere", "other") == ["r1"]


def test_tokens_only_grow(floor: Floor) -> None:
    floor.make("r1", "r2")
    first, second = floor.claim(2)
    floor.agent().release(*proof(first), reason="test")
    floor.agent().release(*proof(second), reason="test")
    again = floor.claim(2)
    assert first.token < second.token < again[0].token < again[1].token


def test_an_id_that_is_no_longer_queued_is_dropped_from_the_line(floor: Floor) -> None:
    floor.make("r1", "r2")
    floor.redis.delete(floor.keys.run("r1"))
    floor.redis.zadd(floor.keys.waiting("default"), {"never-made": 1})
    assert floor.claim_ids(5) == ["r2"]
    assert floor.redis.zcard(floor.keys.waiting("default")) == 0


def test_confirm_answers_ok_once_and_again(floor: Floor) -> None:
    floor.make("r1")
    (claim,) = floor.claim()
    assert floor.agent().confirm(*proof(claim)) == Answer.OK
    started = floor.run("r1").started_us
    assert floor.agent().confirm(*proof(claim)) == Answer.OK
    assert floor.state("r1") == State.RUNNING
    assert floor.run("r1").started_us == started


@pytest.mark.parametrize("wrong", [("r1", 99, "claim-1"), ("r1", 1, "claim-x"), ("r2", 1, "claim-1")])
def test_a_wrong_pair_confirms_finishes_and_releases_nothing(floor: Floor, wrong: tuple[str, int, str]) -> None:
    floor.start("r1")
    before = floor.dump()
    agent = floor.agent()
    assert agent.confirm(*wrong) == Answer.LOST
    assert agent.finish(*wrong, Outcome(state="FAILED", data={"error": b"x"})).answer == Answer.LOST
    assert agent.release(*wrong, reason="x") == Answer.LOST
    assert floor.dump() == before


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"])
def test_finish_ends_the_run_and_frees_its_slots(floor: Floor, state: str) -> None:
    claim = floor.start("r1", limits=("tag:gpu",))
    answer = floor.finish(claim, state, name="Odd", reason="so it is", fields={"exit_code": 3}, data={"error": b"e"})
    run = floor.run("r1")
    assert (answer.answer, answer.state) == ("ok", state)
    assert (run.state, run.state_name, run.reason, run.fields) == (state, "Odd", "so it is", {"exit_code": "3"})
    assert run.ended_us and floor.runs.data("r1", "error") == b"e"
    assert floor.limits.holders("queue:default") == floor.limits.holders("tag:gpu") == []
    assert floor.redis.zcard(floor.keys.leases) == 0 and not floor.redis.smembers(floor.keys.agent_runs("a1"))


def test_a_finish_sent_again_answers_the_same_and_changes_nothing(floor: Floor) -> None:
    claim = floor.start("r1")
    first = floor.finish(claim)
    before = floor.dump()
    assert floor.finish(claim) == first
    assert floor.finish(claim, "FAILED") == first
    assert floor.dump() == before


def test_a_late_finish_of_a_lost_lease_changes_nothing(floor: Floor) -> None:
    claim = floor.start("r1")
    floor.travel(40)
    floor.leases.expire_once()
    before = floor.dump()
    assert floor.finish(claim).answer == Answer.LOST
    assert floor.agent().confirm(*proof(claim)) == Answer.LOST
    assert floor.dump() == before


def test_a_run_that_failed_to_start_ends_without_a_confirm(floor: Floor) -> None:
    floor.make("r1")
    (claim,) = floor.claim()
    assert floor.finish(claim, "CRASHED", reason="no such interpreter").state == State.CRASHED


def test_a_completed_run_whose_confirm_was_lost_passes_through_running(floor: Floor) -> None:
    floor.make("r1")
    (claim,) = floor.claim()
    assert floor.finish(claim).state == State.COMPLETED
    assert [move.state for move in floor.run("r1").history] == ["QUEUED", "PENDING", "RUNNING", "COMPLETED"]


def test_a_retry_waits_under_its_name_holds_nothing_and_comes_back_when_due(floor: Floor) -> None:
    claim = floor.start("r1", limits=("tag:gpu",))
    assert floor.finish(claim, "FAILED", reason="boom", retry_in_seconds=10).state == State.SCHEDULED
    run = floor.run("r1")
    assert (run.state_name, run.failures, run.reason, run.agent) == (AWAITING_RETRY, 1, "boom", None)
    assert run.due_us - floor.scripts.now_us() == pytest.approx(10e6, abs=1e6)
    assert floor.limits.holders("tag:gpu") == [] and floor.runs.promote().count == 0
    floor.travel(11)
    assert floor.runs.promote().count == 1
    (again,) = floor.claim()
    assert (again.run_id, again.attempt, again.record.state_name) == ("r1", 2, None)


def test_a_retrying_finish_sent_again_answers_the_same_even_after_the_next_claim(floor: Floor) -> None:
    claim = floor.start("r1")
    first = floor.finish(claim, "FAILED", retry_in_seconds=0)
    assert floor.finish(claim, "FAILED", retry_in_seconds=0) == first
    floor.runs.promote()
    (again,) = floor.claim()
    before = floor.dump()
    assert floor.finish(claim, "FAILED", retry_in_seconds=0) == first
    assert floor.dump() == before
    assert floor.finish(again).state == State.COMPLETED and floor.run("r1").failures == 1


def test_release_puts_the_run_back_at_its_place_and_is_not_a_loss(floor: Floor) -> None:
    claim = floor.start("r1")
    floor.make("r2")
    assert floor.agent().release(*proof(claim), reason="the agent drains") == Answer.OK
    assert floor.agent().release(*proof(claim), reason="the agent drains") == Answer.OK
    run = floor.run("r1")
    assert (run.state, run.lost, run.agent, run.reason) == (State.QUEUED, 0, None, "the agent drains")
    assert floor.line() == ["r1", "r2"]
    assert floor.limits.holders("queue:default") == []


def test_a_release_of_a_run_that_was_never_started_is_no_attempt(floor: Floor) -> None:
    floor.make("r1")
    (claim,) = floor.claim()
    for _ in range(2):
        assert floor.agent().release(*proof(claim), reason="its code is not here", unstarted=True) == Answer.OK
    assert (floor.state("r1"), floor.run("r1").attempt) == (State.QUEUED, 0)
    (again,) = floor.claim()
    assert (again.attempt, again.token > claim.token) == (1, True)


def test_a_release_that_counts_as_loss_follows_the_policy_of_the_run(floor: Floor) -> None:
    claim = floor.start("r1", on_lost="crash")
    floor.agent().release(*proof(claim), reason="its machine shuts down", counts_as_loss=True)
    assert (floor.state("r1"), floor.run("r1").lost) == (State.CRASHED, 1)
    assert floor.agent().release(*proof(claim), reason="again", counts_as_loss=True) == Answer.OK


def test_an_outcome_is_one_of_four_ends_and_only_failures_are_tried_again() -> None:
    with pytest.raises(InvalidValue):
        Outcome(state="RUNNING")
    with pytest.raises(InvalidValue):
        Outcome(state="COMPLETED", retry_in_seconds=1)
