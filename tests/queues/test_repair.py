"""Repair: whatever is not where its record says is put there, counted by kind, and a healthy system is left alone."""

import pytest

from queues.errors import WrongKeyType
from queues.keys import RQ_JOB_DATA
from queues.presence import Presence
from queues.repair import SLICE, Repair
from queues.states import State
from tests.queues.floor import Floor, proof
from tests.queues.test_presence import register


@pytest.fixture
def repair(floor: Floor) -> Repair:
    return Repair(floor.scripts)


def passes(repair: Repair, count: int = 5) -> dict[str, int]:
    """What some passes set right together."""
    total: dict[str, int] = {}
    for _ in range(count):
        for kind, number in repair.repair_once().counts.items():
            total[kind] = total.get(kind, 0) + number
    return total


def mirror(floor: Floor) -> list[str]:
    """The ids on rq's list of the default queue."""
    return [run.decode() for run in floor.redis.lrange(floor.keys.rq_queue("default"), 0, -1)]


def busy(floor: Floor) -> None:
    """Runs in every kind of place: waiting, parked, held, delayed, ended."""
    floor.queues.create("ml", limit=1)
    floor.limits.set("tag:gpu", 1, "user:ann")
    floor.finish(floor.start("done"))
    floor.start("held", limits=("tag:gpu",))
    floor.make("blocked", limits=("tag:gpu",))
    floor.make("later", due_us=floor.scripts.now_us() + 3_600_000_000)
    floor.make("ml-1", "ml-2", queue="ml")
    floor.claim(5, "default", "ml")
    floor.make("w1", "w2", "w3")


# ------------------------------------------------------------------ nothing to do
def test_a_healthy_system_is_left_alone(floor, repair):
    busy(floor)
    before = floor.dump()
    assert passes(repair) == {}
    assert floor.dump() == before


def test_an_empty_redis_is_left_empty(floor, repair):
    assert passes(repair) == {}
    assert floor.redis.dbsize() == 0


# ------------------------------------------------------------------ what rq's tools read
def test_a_flushed_mirror_is_written_again_in_order(floor, repair):
    floor.make("r1", "r2", "r3")
    floor.redis.delete(floor.keys.rq_queue("default"))
    assert repair.repair_once().counts == {"mirrors": 1}
    assert mirror(floor) == ["r1", "r2", "r3"]


def test_a_mirror_in_another_order_is_sorted_which_is_no_repair(floor, repair):
    floor.make("r1", "r2", "r3")
    floor.redis.rpoplpush(floor.keys.rq_queue("default"), floor.keys.rq_queue("default"))
    assert passes(repair, 2) == {}
    assert mirror(floor) == ["r1", "r2", "r3"]


def test_a_mirror_of_the_right_length_with_another_id_or_one_twice_is_written_again(floor, repair):
    floor.make("r1", "r2", "r3")
    for wrong in ("stranger", "r1"):
        floor.redis.lset(floor.keys.rq_queue("default"), 1, wrong)
        assert passes(repair, 2)["mirrors"] == 1
        assert mirror(floor) == ["r1", "r2", "r3"]


def test_runs_that_come_back_stand_at_their_places_and_are_no_repair(floor, repair):
    ids = floor.make(*[f"r{number:03}" for number in range(300)])
    for take in (3, 40):
        for claim in floor.claim(take):
            floor.agent().release(*proof(claim), reason="t")
        assert mirror(floor) == ids
    (late, middle) = (run.due_us for run in floor.runs.get_many(["r290", "r150"]))
    floor.make("near-the-end", due_us=late)
    assert mirror(floor) == floor.line()
    floor.make("in-the-middle", due_us=middle)
    assert passes(repair, 4) == {} and mirror(floor) == floor.line()


def test_a_strange_id_on_the_mirror_is_dropped(floor, repair):
    floor.make("r1")
    floor.redis.lpush(floor.keys.rq_queue("default"), "stranger")
    repair.repair_once()
    assert mirror(floor) == ["r1"]


@pytest.mark.parametrize("held", [False, True])
def test_a_removed_job_hash_is_written_again(floor, repair, held):
    floor.make("r1")
    if held:
        floor.claim()
    floor.redis.delete(floor.keys.rq_job("r1"))
    assert passes(repair) == {"rq_jobs": 1}
    job = floor.redis.hgetall(floor.keys.rq_job("r1"))
    assert job[b"status"] == (b"started" if held else b"queued")
    assert (job[b"data"], job[b"origin"], job.get(b"worker_name")) == (RQ_JOB_DATA, b"default", b"a1" if held else None)


def test_a_job_hash_with_another_function_is_written_again(floor, repair):
    floor.make("r1")
    floor.redis.hset(floor.keys.rq_job("r1"), mapping={"data": b"os.system", "success_callback_name": "x"})
    assert passes(repair) == {"rq_jobs": 1}
    assert b"success_callback_name" not in floor.redis.hgetall(floor.keys.rq_job("r1"))


def test_our_ids_leave_rqs_registries_and_those_of_others_stay(floor, repair):
    floor.make("r1")
    registry = f"{floor.keys.rq}:failed:default"
    floor.redis.zadd(registry, {"r1": 1, "of-others": 1})
    floor.redis.zadd(f"{floor.keys.rq}:wip:default", {"r1:execution": 1})
    assert repair.repair_once().counts["rq_registries"] == 2
    assert floor.redis.zrange(registry, 0, -1) == [b"of-others"]
    assert not floor.redis.exists(f"{floor.keys.rq}:wip:default")


# ------------------------------------------------------------------ records without a place (K2)
def test_a_waiting_run_in_no_list_is_put_back_at_its_place(floor, repair):
    floor.make("r1", "r2", "r3")
    floor.redis.zrem(floor.keys.waiting("default"), "r2")
    assert repair.repair_once().counts["waiting"] == 1
    repair.repair_once()
    assert mirror(floor) == ["r1", "r2", "r3"]
    assert floor.claim_ids(5) == ["r1", "r2", "r3"]


def test_a_record_that_not_even_the_index_knows_is_found(floor, repair):
    floor.make("r1", groups=("deployment:d",))
    floor.redis.delete(floor.keys.waiting("default"), floor.keys.state("QUEUED"), floor.keys.group("deployment:d"))
    counts = passes(repair)
    assert (counts["waiting"], counts["indexes"]) == (1, 1)
    assert floor.redis.zscore(floor.keys.group("deployment:d"), "r1")
    assert floor.claim_ids() == ["r1"]


def test_a_parked_run_in_no_list_is_parked_again(floor, repair):
    busy(floor)
    assert floor.run("blocked").parked == "tag:gpu"
    for key in (floor.keys.parked("tag:gpu", "default"), floor.keys.parked_lines("tag:gpu")):
        floor.redis.delete(key)
    assert passes(repair)["parked"] == 1
    assert [run.run_id for run in floor.limits.parked("tag:gpu")] == ["blocked"]


def test_a_delayed_run_in_no_list_is_delayed_again(floor, repair):
    busy(floor)
    floor.redis.delete(floor.keys.delayed)
    assert repair.repair_once().counts == {"delayed": 1}
    assert floor.redis.zscore(floor.keys.delayed, "later") == floor.run("later").due_us


def test_a_held_run_without_a_lease_gets_one_and_ends_with_it(floor, repair):
    floor.start("r1")
    floor.redis.delete(floor.keys.leases, floor.keys.holders("queue:default"))
    counts = repair.repair_once().counts
    assert (counts["leases"], counts["holders"]) == (1, 1)
    floor.travel(33)
    assert floor.leases.expire_once().requeued == ("r1",)


# ------------------------------------------------------------------ places without a record (K1)
def test_ids_without_a_record_are_dropped_from_every_list(floor, repair):
    busy(floor)
    keys = floor.keys
    places = [keys.waiting("default"), keys.delayed, keys.leases, keys.holders("queue:default"), keys.state("RUNNING")]
    places += [keys.parked("tag:gpu", "default"), keys.holders("tag:gpu"), keys.state("COMPLETED")]
    for place in places:
        floor.redis.zadd(place, {"ghost": 1})
    floor.redis.sadd(keys.agent_runs("a1"), "ghost")
    assert passes(repair)["orphans"] == len(places) + 1
    assert not [place for place in places if floor.redis.zscore(place, "ghost")]
    assert int(floor.redis.hget(keys.counters, "repaired_orphans")) == len(places) + 1


def test_a_run_whose_record_was_deleted_frees_its_slot(floor, repair):
    floor.limits.set("queue:default", 1, "user:ann")
    floor.start("r1")
    floor.make("r2")
    floor.redis.delete(floor.keys.run("r1"))
    passes(repair)
    assert floor.claim_ids() == ["r2"]


def test_a_holder_that_ended_is_dropped_and_whoever_waited_gets_the_slot(floor, repair):
    busy(floor)
    floor.redis.zadd(floor.keys.holders("tag:gpu"), {"done": 1})
    floor.limits.set("tag:gpu", 2, "user:ann")
    assert floor.claim_ids(9) == ["w1", "w2", "w3"]
    assert passes(repair)["misplaced"] == 1
    assert floor.claim_ids(9) == ["blocked"]


def test_a_held_run_that_also_stands_in_line_leaves_the_line(floor, repair):
    claim = floor.start("r1")
    floor.redis.zadd(floor.keys.waiting("default"), {"r1": 1})
    repair.repair_once()
    assert floor.line() == []
    assert floor.finish(claim).state == State.COMPLETED


# ------------------------------------------------------------------ parked runs
def test_a_limit_with_room_but_only_parked_runs_offers_one(floor, repair):
    busy(floor)
    floor.redis.hset(floor.keys.limits, "tag:gpu", 2)
    assert repair.repair_once().counts["offers"] == 1
    assert repair.repair_once().counts == {}
    assert "blocked" in floor.claim_ids(9)


# ------------------------------------------------------------------ agents
def test_an_agent_that_died_long_ago_is_forgotten_but_not_that_it_listened_last(floor, repair):
    presence = Presence(floor.scripts)
    register(presence)
    (agent,) = presence.all()
    floor.travel(3601)
    assert repair.repair_once().counts == {"agents": 1}
    assert presence.all() == []
    assert (presence.last("default").name, presence.last("default").at_us) == (agent.name, agent.seen_us)
    assert not floor.redis.smembers(f"{floor.keys.rq}:workers")


# ------------------------------------------------------------------ keys of a wrong type (K3)
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("waiting:ml", "zset"),
        ("rq:queue:ml", "list"),
        ("holders:queue:ml", "zset"),
        ("rq:failed:ml", "zset"),
        ("runs:QUEUED", "zset"),
        ("leases", "zset"),
        ("run:ml-2", "hash"),
    ],
)
def test_a_key_of_a_wrong_type_is_named_and_other_queues_go_on(floor, repair, key, expected):
    busy(floor)
    damaged = f"{{headgate}}:{key}"
    floor.redis.delete(damaged, floor.keys.rq_queue("default"))
    floor.redis.set(damaged, "mine now")
    repaired = [repair.repair_once() for _ in range(4)]
    named = {wrong.key: wrong for found in repaired for wrong in found.wrong}
    assert list(named) == [damaged]
    assert f"a {expected}, got a string" in str(named[damaged])
    assert mirror(floor) == ["w1", "w2", "w3"]


def test_a_script_that_meets_a_key_of_a_wrong_type_names_it(floor):
    floor.make("r1")
    floor.redis.delete(floor.keys.state("QUEUED"))
    floor.redis.set(floor.keys.state("QUEUED"), "mine now")
    with pytest.raises(WrongKeyType, match=r"key \{headgate\}:runs:QUEUED to be a zset, got a string"):
        floor.make("r2")


# ------------------------------------------------------------------ bounded work
def test_a_walk_goes_on_in_the_next_pass_when_its_time_is_over(floor):
    repair = Repair(floor.scripts, budget_seconds=0.0)
    floor.make(*[f"r{number:04}" for number in range(3 * SLICE)])
    floor.redis.delete(floor.keys.waiting("default"), floor.keys.rq_queue("default"))
    assert repair.repair_once().more
    passes(repair, 20)
    assert not repair.repair_once().more
    assert len(floor.claim_ids(100)) == 100


def test_a_difference_that_no_walk_can_mend_is_not_walked_again(floor, repair):
    floor.make("r1")
    floor.redis.srem(floor.keys.queues, "default")
    assert passes(repair) == {}
    assert repair._accepted == {"queued": [1, 0]}
