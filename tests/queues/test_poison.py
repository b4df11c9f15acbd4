"""A run that takes its agent down: tried alone once when others may be to blame, then CRASHED and called Poison."""

from __future__ import annotations

from queues.claims import Claim
from queues.presence import Presence
from queues.states import State
from tests.queues.floor import Floor, proof
from tests.queues.test_presence import register


def confirm(floor: Floor, claims: list[Claim], agent: str = "a1") -> list[Claim]:
    """Let user code run."""
    for claim in claims:
        floor.agent(agent).confirm(*proof(claim))
    return claims


def die(floor: Floor) -> None:
    """All leases end: their agents are gone."""
    floor.travel(40)
    floor.leases.expire_once()


def lose_together(floor: Floor, *ids: str, times: int = 3) -> None:
    """Runs that were held by one agent each time it died."""
    floor.make(*ids)
    for _ in range(times):
        assert len(confirm(floor, floor.claim(len(ids)))) == len(ids)
        die(floor)


def promises(floor: Floor) -> int:
    """How many runs an agent empties itself for."""
    return int(floor.redis.hlen("{headgate}:alone"))


# ------------------------------------------------------------------ who is called poison
def test_a_run_that_was_alone_at_each_loss_is_poison_after_the_third(floor: Floor) -> None:
    lose_together(floor, "r1")
    run = floor.run("r1")
    assert (run.state, run.state_name, run.lost) == (State.CRASHED, "Poison", 3)
    assert run.reason.endswith("loss 3 of 3, alone on its agent: it takes its agent down with it")


def test_runs_that_were_beside_others_at_each_loss_get_one_more_try_alone(floor: Floor) -> None:
    lose_together(floor, "bad", "good")
    assert [floor.state(run) for run in ("bad", "good")] == [State.QUEUED] * 2
    assert floor.run("bad").reason.endswith("loss 3 of 3, beside other runs each time: one more try, alone")
    (claim,) = confirm(floor, floor.claim(5))
    die(floor)
    assert (floor.run("bad").state_name, floor.run("bad").lost, claim.attempt) == ("Poison", 4, 4)
    (claim,) = confirm(floor, floor.claim(5))
    assert floor.finish(claim).state == State.COMPLETED
    assert floor.state("good") == State.COMPLETED


def test_company_is_known_also_when_one_was_being_cancelled_or_may_not_be_rerun(floor: Floor) -> None:
    floor.make("r1", max_lost=1)
    floor.make("r2", on_lost="crash")
    floor.make("r3")
    floor.claim(3)
    floor.runs.cancel("r3", actor="user:ann")
    die(floor)
    assert [floor.state(run) for run in ("r1", "r2", "r3")] == [State.QUEUED, State.CRASHED, State.CANCELLED]


def test_one_loss_alone_is_enough_to_not_be_tried_again_after_the_third(floor: Floor) -> None:
    lose_together(floor, "r1", times=1)
    floor.make("r2")
    for _ in range(2):
        confirm(floor, floor.claim(2))
        die(floor)
    assert (floor.state("r1"), floor.run("r1").state_name) == (State.CRASHED, "Poison")
    assert floor.state("r2") == State.QUEUED and "once alone on its agent" in floor.run("r1").reason


def test_a_process_that_only_did_not_start_is_never_called_poison(floor: Floor) -> None:
    floor.make("r1", "r2")
    for _ in range(3):
        for claim in floor.claim(2):
            floor.agent().release(*proof(claim), reason="did not start", counts_as_loss=True)
    assert [(run.state, run.state_name) for run in map(floor.run, ("r1", "r2"))] == [(State.CRASHED, None)] * 2


def test_a_drain_is_no_loss_and_a_run_given_back_is_tried_alone_again(floor: Floor) -> None:
    lose_together(floor, "r1", "r2")
    (claim,) = floor.claim(5)
    floor.agent().release(*proof(claim), reason="drain")
    assert floor.run("r1").lost == 3
    assert floor.claim_ids(5) == ["r1"] and floor.claim_ids(5) == []


def test_runs_of_a_name_taken_over_count_as_lost_together(floor: Floor) -> None:
    presence = Presence(floor.scripts)
    register(presence)
    floor.make("r1", "r2", max_lost=1)
    confirm(floor, floor.claim(2))
    register(presence, instance="two", takeover="one")
    assert [floor.run(run).reason.partition("loss")[2] for run in ("r1", "r2")] == [
        " 1 of 1, beside other runs each time: one more try, alone"
    ] * 2


# ------------------------------------------------------------------ waiting to be alone
def test_an_agent_that_runs_one_alone_claims_nothing_else_and_others_go_on(floor: Floor) -> None:
    lose_together(floor, "r1", "r2")
    floor.make("r3")
    (alone,) = floor.claim(5)
    assert floor.claim_ids(5) == []
    assert floor.claim_ids(1, agent="a2") == ["r2"]
    assert floor.claim_ids(5, agent="a3") == ["r3"]
    floor.finish(alone)
    floor.make("r4")
    assert floor.claim_ids(5) == ["r4"]


def test_a_busy_agent_promises_and_keeps_its_promise(floor: Floor) -> None:
    first = floor.start("work", agent="a2")
    lose_only(floor, first)
    floor.make("r3")
    assert floor.claim_ids(5, agent="a2") == [] and promises(floor) == 1
    assert floor.claim_ids(5, agent="a3") == ["alone"], "whoever is empty need not wait for the one that promised"
    assert floor.claim_ids(5, agent="a2") == ["r3"] and promises(floor) == 0


def test_busy_agents_pass_over_what_another_one_promised_to_take(floor: Floor) -> None:
    first, second = floor.start("work", agent="a2"), floor.start("more", agent="a3")
    lose_only(floor, first, second)
    floor.make("r3")
    assert floor.claim_ids(5, agent="a2") == []
    assert floor.claim_ids(5, agent="a3") == ["r3"]
    floor.finish(first, agent="a2")
    assert floor.claim_ids(5, agent="a2") == ["alone"]


def test_a_promise_of_an_agent_that_asks_no_more_passes_to_the_next(floor: Floor) -> None:
    first, second = floor.start("work", agent="a2"), floor.start("more", agent="a3")
    lose_only(floor, first, second)
    floor.make("r3")
    assert floor.claim_ids(5, agent="a2") == []
    floor.travel(16)
    assert floor.claim_ids(5, agent="a3") == []
    assert floor.claim_ids(5, agent="a2") == ["r3"]


def test_nobody_waits_for_ever_behind_agents_that_never_become_empty(floor: Floor) -> None:
    first = floor.start("work", agent="a2")
    lose_only(floor, first)
    for _ in range(60):
        assert floor.claim_ids(5, agent="a2") == []
        floor.travel(10)
    assert floor.claim_ids(5, agent="a2") == ["alone"]
    die(floor)
    assert (floor.state("alone"), floor.run("alone").state_name) == (State.CRASHED, None)
    assert floor.state("work") == State.QUEUED


def test_a_promise_about_a_run_that_was_cancelled_is_forgotten(floor: Floor) -> None:
    first = floor.start("work", agent="a2")
    lose_only(floor, first)
    floor.make("r3")
    floor.claim(5, agent="a2")
    floor.runs.cancel("alone", actor="user:ann")
    assert floor.claim_ids(5, agent="a2") == ["r3"] and promises(floor) == 0


def lose_only(floor: Floor, *kept: Claim) -> None:
    """A run that is to be tried alone next, while other agents keep what they hold."""
    floor.make("alone", "mate", max_lost=1)
    assert len(floor.claim(2, agent="dead")) == 2
    floor.redis.zadd(floor.keys.leases, {"alone": 1, "mate": 1})
    floor.leases.expire_once()
    floor.runs.cancel("mate", actor="user:ann")
    assert floor.line() == ["alone"] and all(floor.run(claim.run_id).held for claim in kept)
