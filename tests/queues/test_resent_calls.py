"""A call that is sent again, because its answer was lost, has one effect and gets the first answer."""

from __future__ import annotations

from typing import Any

import pytest

from queues.claims import Held, Outcome
from queues.errors import RequestReused
from queues.runs import NewRun
from queues.states import State
from tests.queues.floor import Floor, proof


def test_a_create_sent_again_makes_nothing_and_answers_as_before(floor: Floor) -> None:
    new = [NewRun(id="r1", queue="default", actor="t"), NewRun(id="r2", queue="default", actor="t")]
    first = floor.runs.create(new, request_id="q1")
    floor.finish(floor.claim()[0])
    floor.runs.forget(["r1"])
    before = floor.dump()
    assert floor.runs.create(new, request_id="q1") == first
    assert floor.dump() == before


def test_a_cancel_sent_again_answers_as_before_though_the_run_has_moved_on(floor: Floor) -> None:
    claim = floor.start("r1")
    first = floor.runs.cancel("r1", actor="user:ann", request_id="q1")
    floor.finish(claim)
    assert floor.runs.cancel("r1", actor="user:ann", request_id="q1") == first
    assert first.state == State.CANCELLING and floor.state("r1") == State.CANCELLED


def test_a_claim_sent_again_gives_the_same_runs_and_never_more(floor: Floor) -> None:
    floor.make("r1", "r2", "r3", data={"parameters": b"{}"})
    agent = floor.agent()
    first = agent.claim(["default"], 2, claim_id="c1")
    before = floor.dump()
    assert agent.claim(["default"], 2, claim_id="c1") == first
    assert agent.claim(["default"], 3, claim_id="c1").claims == first.claims
    assert floor.dump() == before


def test_a_claim_sent_again_leaves_out_what_is_no_longer_held_under_it(floor: Floor) -> None:
    floor.make("r1", "r2")
    agent = floor.agent()
    first = agent.claim(["default"], 2, claim_id="c1").claims
    floor.finish(first[0])
    assert agent.claim(["default"], 2, claim_id="c1").claims == first[1:]


def test_answers_are_kept_for_ten_minutes(floor: Floor) -> None:
    floor.runs.create([NewRun(id="r1", queue="default", actor="t")], request_id="q1")
    floor.agent().claim(["default"], 1, claim_id="c1")
    for request in ("q1.0", "c1"):
        assert 590 < floor.redis.ttl(floor.keys.request(request)) <= 600


def test_an_empty_claim_keeps_nothing(floor: Floor) -> None:
    assert floor.agent().claim(["default"], 1, claim_id="c1").claims == []
    assert floor.redis.exists(floor.keys.request("c1")) == 0


def test_an_id_of_one_call_can_not_be_used_for_another(floor: Floor) -> None:
    floor.make("r1", "r2")
    floor.runs.cancel("r1", actor="user:ann", request_id="q1")
    with pytest.raises(RequestReused):
        floor.agent().claim(["default"], 1, claim_id="q1")
    assert floor.state("r2") == State.QUEUED


class Swallowed(Exception):
    """Stands for an answer that never arrived."""


def mutations(floor: Floor) -> dict[str, Any]:
    """One call of each mutating verb, by name, on a floor where every one of them has something to do."""
    floor.make("due", due_us=floor.scripts.now_us() + 1_000_000)
    claims = {run_id: floor.start(run_id) for run_id in ("run", "fail", "give", "kept", "old")}
    floor.make("fresh")
    (fresh,) = floor.claim()
    floor.finish(claims.pop("old"))
    floor.make("line", "stop", "next")
    agent = floor.agent()
    held = [Held(run_id="kept", token=claims["kept"].token, claim_id=claims["kept"].claim_id)]
    new = [NewRun(id="new", queue="default", actor="t")]
    return {
        "create": lambda: floor.runs.create(new, request_id="q1"),
        "claim": lambda: agent.claim(["default"], 1, claim_id="c9"),
        "confirm": lambda: agent.confirm(*proof(fresh)),
        "renew": lambda: agent.renew(held),
        "finish": lambda: agent.finish(*proof(claims["run"]), Outcome(state="COMPLETED")),
        "finish to retry": lambda: agent.finish(*proof(claims["fail"]), Outcome(state="FAILED", retry_in_seconds=9)),
        "release": lambda: agent.release(*proof(claims["give"]), reason="t"),
        "cancel": lambda: floor.runs.cancel("stop", actor="t", request_id="q2"),
        "cancel_many": lambda: list(floor.runs.cancel_many(["run", "stop"], actor="t")),
        "promote": lambda: floor.runs.promote(),
        "expire": lambda: floor.leases.expire_once(),
        "forget": lambda: floor.runs.forget(["old"]),
        "set_limit": lambda: floor.limits.set("tag:gpu", 3, "t"),
        "pause": lambda: floor.queues.pause("default", "t"),
    }


VERBS = ["create", "claim", "confirm", "renew", "finish", "finish to retry", "release", "cancel", "promote", "expire"]


@pytest.mark.parametrize("verb", [*VERBS, "cancel_many", "forget", "set_limit", "pause"])
def test_every_verb_has_one_effect_however_often_it_is_sent(floor: Floor, verb: str) -> None:
    call = mutations(floor)[verb]
    if verb == "promote":
        floor.travel(2)
    if verb == "expire":
        floor.travel(60)
    call()
    moved, before = floor.redis.xlen(floor.keys.events), without_clocks(floor)
    for _ in range(3):
        floor.redis.script_flush()
        call()
    assert floor.redis.xlen(floor.keys.events) == moved
    assert without_clocks(floor) == before


def without_clocks(floor: Floor) -> dict[bytes, Any]:
    """Everything in Redis but the deadlines, which a renewal moves on each time."""
    return {key: value for key, value in floor.dump().items() if not key.endswith((b":leases", b":server"))}
