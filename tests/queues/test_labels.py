"""Runs that require labels stand in lines of their own: who lacks the labels never meets them; nothing is hidden."""

from __future__ import annotations

import pytest

from queues.audit import Audit
from queues.claims import Claims
from queues.errors import InvalidLabel, InvalidValue
from queues.keys import checked_labels
from queues.presence import Presence
from queues.repair import Repair
from queues.runs import NewRun
from queues.states import State
from tests.queues.floor import Floor, proof
from tests.queues.oracle import check, look
from tests.queues.test_corrupt_records import ids
from tests.queues.test_presence import register

GPU = ("gpu",)


def claim(agent: Claims, number: int, count: int = 5) -> list[str]:
    """What one call gives; it is the only one that is needed."""
    reply = agent.claim(["default"], count, claim_id=f"c{number}")
    assert not reply.more
    return ids(reply)


def nudged(floor: Floor, *agents: str) -> list[str]:
    """Which of them were woken."""
    return [name for name in agents if floor.redis.llen(floor.keys.wake(name))]


# ------------------------------------------------------------------ claiming
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_any_number_of_runs_for_others_never_hides_a_runnable_one(floor: Floor, count: int) -> None:
    floor.runs.create([NewRun(id=f"g{n:05}", queue="default", actor="t", requires=GPU) for n in range(count)])
    floor.make("plain")
    assert claim(floor.agent(labels=("eu",)), 1) == ["plain"], "in one call, at whatever length of the other line"
    assert claim(floor.agent("g1", labels=GPU), 2, 2) == ["g00000", "g00001"]
    assert floor.queues.get("default").queued == count - 2


def test_runs_of_all_lines_start_in_the_order_of_their_due_times(floor: Floor) -> None:
    floor.make("r1", requires=GPU)
    floor.make("r2")
    floor.make("r3", requires=("region=eu", "gpu"))
    floor.make("r4")
    assert [entry.run_id for entry in floor.queues.waiting("default")] == ["r1", "r2", "r3", "r4"]
    assert claim(floor.agent(labels=("region=eu", "gpu", "more")), 1) == ["r1", "r2", "r3", "r4"]


def test_a_run_that_needs_two_labels_is_for_whoever_has_both(floor: Floor) -> None:
    floor.make("r1", requires=("region=eu", "gpu"))
    assert [claim(floor.agent(labels=one), n) for n, one in enumerate([(), GPU, ("region=us", "gpu")])] == [[], [], []]
    assert claim(floor.agent(labels=("region=eu", "gpu")), 9) == ["r1"]


def test_a_run_parked_behind_one_for_others_is_given_when_the_limit_frees(floor: Floor) -> None:
    floor.limits.set("tag:a", 1, "t")
    holder = floor.start("holder", limits=("tag:a",))
    floor.make("gpu-first", limits=("tag:a",), requires=GPU)
    floor.make("behind", limits=("tag:a",))
    assert claim(floor.agent("g1", labels=GPU), 1) == []
    assert [floor.run(run).parked for run in ("gpu-first", "behind")] == ["tag:a", "tag:a"]
    floor.finish(holder)
    check(look(floor))
    assert claim(floor.agent(), 2) == ["behind"] and claim(floor.agent("g1", labels=GPU), 3) == []


def test_a_run_keeps_its_line_when_it_is_given_back_retried_or_moved(floor: Floor) -> None:
    floor.queues.create("ml")
    floor.make("r1", "r2", requires=GPU)
    first, second = floor.agent("g1", labels=GPU).claim(["default"], 2, claim_id="c1").claims
    floor.agent("g1").release(*proof(first), reason="drain")
    floor.finish(second, "FAILED", agent="g1", retry_in_seconds=1)
    floor.travel(2)
    floor.runs.promote()
    floor.runs.transfer(["r1"], "ml", actor="t")
    assert [floor.run(run).line for run in ("r1", "r2")] == ["ml+gpu", "default+gpu"]
    check(look(floor))
    assert floor.claim_ids(5, "ml", "default") == []


def test_a_run_to_be_tried_alone_waits_for_whoever_has_its_labels(floor: Floor) -> None:
    floor.make("alone", "mate", requires=GPU, max_lost=1)
    floor.agent("g0", labels=GPU).claim(["default"], 2, claim_id="c0")
    floor.travel(40)
    floor.leases.expire_once()
    floor.runs.cancel("mate", actor="t")
    assert floor.run("alone").alone == "wanted" and claim(floor.agent("a1"), 1) == []
    assert claim(floor.agent("g1", labels=GPU), 2) == ["alone"]


# ------------------------------------------------------------------ waking
def test_a_run_wakes_an_agent_that_may_start_it(floor: Floor) -> None:
    others = [f"a{n:02}" for n in range(30)]
    for n, name in enumerate(others):
        assert claim(floor.agent(name, labels=("cpu",) if n % 2 else ()), n) == []
    assert claim(floor.agent("g1", labels=GPU), 99) == []
    floor.make("r1", requires=GPU)
    assert nudged(floor, *others, "g1") == ["g1"]


def test_a_freed_slot_of_the_queue_wakes_for_every_line(floor: Floor) -> None:
    floor.queues.set_limit("default", 1, "t")
    holder = floor.start("holder")
    floor.make("r1", requires=GPU)
    assert claim(floor.agent("g1", labels=GPU), 1) == [] and claim(floor.agent("a1"), 2) == []
    floor.finish(holder)
    assert nudged(floor, "g1") == ["g1"]


def test_a_queue_that_goes_on_wakes_for_every_line(floor: Floor) -> None:
    floor.queues.pause("default", "t")
    floor.make("r1", requires=GPU)
    assert claim(floor.agent("g1", labels=GPU), 1) == []
    floor.queues.resume("default", "t")
    assert nudged(floor, "g1") == ["g1"]


# ------------------------------------------------------------------ repair, audit, rq's tools, older versions
def test_rq_tools_see_the_line_as_a_queue_of_its_own_until_it_is_empty(floor: Floor) -> None:
    floor.make("r1", requires=GPU)
    shown = floor.redis.smembers(floor.keys.rq_queues)
    assert b"{headgate}:rq:queue:default+gpu" in shown
    assert floor.redis.lrange(floor.keys.rq_queue("default+gpu"), 0, -1) == [b"r1"]
    assert floor.redis.hget(floor.keys.rq_job("r1"), "origin") == b"default+gpu"
    (taken,) = floor.agent("g1", labels=GPU).claim(["default"], 1, claim_id="c1").claims
    floor.finish(taken, agent="g1")
    assert Repair(floor.scripts).repair_once().count == 0
    assert not floor.redis.exists(floor.keys.lines("default"), floor.keys.rq_queue("default+gpu"))
    assert b"{headgate}:rq:queue:default+gpu" not in floor.redis.smembers(floor.keys.rq_queues)


@pytest.mark.parametrize("gone", ["waiting:default+gpu", "lines:default", "rq:queue:default+gpu", "rq:job:r1"])
def test_repair_puts_back_what_was_removed(floor: Floor, gone: str) -> None:
    floor.make("r1", "r2", requires=GPU)
    repair = Repair(floor.scripts)
    assert repair.repair_once().count == 0
    floor.redis.delete(f"{{headgate}}:{gone}")
    assert repair.repair_once().count + repair.repair_once().count > 0
    check(look(floor))
    assert repair.repair_once().count == 0 and claim(floor.agent("g1", labels=GPU), 1) == ["r1", "r2"]


def test_the_audit_sees_what_stands_in_the_wrong_line(floor: Floor) -> None:
    floor.make("r1", requires=GPU)
    assert Audit(floor.scripts).all(["default"], []).found == ()
    floor.redis.zadd(floor.keys.waiting("default"), {"r1": 1})
    floor.redis.zadd(floor.keys.waiting("default+gpu"), {"nobody": 1})
    found = {(one.place, one.run_id, one.kind) for one in Audit(floor.scripts).all(["default"], []).found}
    assert found == {("waiting:default", "r1", "misplaced"), ("waiting:default+gpu", "nobody", "orphan")}
    assert claim(floor.agent(), 1) == [] and floor.redis.zcard(floor.keys.waiting("default")) == 0, "it is taken out"


def test_only_runs_that_require_labels_have_the_newer_schema(floor: Floor) -> None:
    floor.make("r1")
    floor.make("r2", requires=GPU)
    fields = [floor.redis.hmget(floor.keys.run(run), "schema", "needs", "requires") for run in ("r1", "r2")]
    assert fields == [[b"1", None, None], [b"2", b"0.1.0", b"gpu"]]
    assert floor.run("r2").problem == ""


# ------------------------------------------------------------------ prefixes, presence, checks
def test_an_agent_of_a_prefix_serves_queues_that_are_made_later(floor: Floor) -> None:
    agent = floor.agent(prefixes=("ml-", "etl"))
    floor.make("other")
    assert agent.claim(["default"], 1, claim_id="c0").queues == ("default",)
    floor.queues.create("ml-train")
    floor.make("r1", queue="ml-train")
    reply = agent.claim([], 1, claim_id="c1", avoid=("queue:default",))
    assert (ids(reply), reply.queues) == (["r1"], ("ml-train",))
    assert agent.claim([], 1, claim_id="c2").more is False
    floor.make("r2", queue="ml-train")
    assert nudged(floor, "a1") == ["a1"]


def test_a_queue_that_is_avoided_is_left_alone(floor: Floor) -> None:
    floor.make("r1")
    assert floor.agent().claim(["default"], 1, claim_id="c1", avoid=("queue:default",)).claims == []


def test_labels_and_prefixes_are_known_of_an_agent(floor: Floor) -> None:
    presence = Presence(floor.scripts)
    register(presence, info={"labels": ("gpu", "region=eu"), "prefixes": ("ml-",)})
    agent = presence.get("a1")
    assert (agent.labels, agent.prefixes, agent.info.get("labels")) == (("gpu", "region=eu"), ("ml-",), None)


@pytest.mark.parametrize("label", ["", "GPU", "a b", "a+b", "a=", "=b", "a=b=c", "a|b", "ä", "x" * 64, "a\nb"])
def test_what_is_no_label_is_refused(label: str) -> None:
    with pytest.raises(InvalidLabel, match="name=value"):
        checked_labels(["gpu", label])


def test_labels_are_sorted_and_bounded() -> None:
    assert checked_labels(["region=EU-1", "gpu", "gpu"]) == ("gpu", "region=EU-1")
    with pytest.raises(InvalidValue, match="at most 16"):
        checked_labels([f"l{n}" for n in range(17)])
    with pytest.raises(InvalidLabel):
        NewRun(id="r1", queue="default", actor="t", requires=("A",))


def test_a_run_that_requires_labels_ends_like_any_other(floor: Floor) -> None:
    floor.make("r1", requires=GPU)
    floor.make("r2", requires=GPU, due_us=floor.scripts.now_us() + 9_000_000)
    floor.runs.cancel("r1", actor="t")
    floor.runs.cancel("r2", actor="t")
    assert [floor.state(run) for run in ("r1", "r2")] == [State.CANCELLED] * 2
    assert floor.run("r1").requires == GPU and floor.runs.forget(["r1", "r2"]) == 2
