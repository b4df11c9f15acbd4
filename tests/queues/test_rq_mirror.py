"""What rq's tools see of our runs: a list per queue and a small hash per run, written by the same scripts."""

import random
from datetime import UTC, datetime

import msgpack
import pytest

from queues.keys import RQ_JOB_DATA
from tests.queues.floor import Floor, proof


def job(floor: Floor, run_id: str) -> dict[str, bytes]:
    """The hash rq reads about a run."""
    return {name.decode(): value for name, value in floor.redis.hgetall(floor.keys.rq_job(run_id)).items()}


def rq_list(floor: Floor) -> list[bytes]:
    """The ids on rq's list of the default queue."""
    return floor.redis.lrange(floor.keys.rq_queue("default"), 0, -1)


def test_a_queued_run_is_an_rq_job_on_rqs_list(floor: Floor) -> None:
    floor.make("r1", fields={"name": "brisk-otter"})
    seen = job(floor, "r1")
    assert rq_list(floor) == [b"r1"]
    assert floor.redis.smembers(floor.keys.rq_queues) == {b"{headgate}:rq:queue:default"}
    assert (seen["status"], seen["origin"], seen["description"], seen["timeout"]) == (
        *(b"queued", b"default", b"brisk-otter"),
        b"-1",
    )
    created = datetime.strptime(seen["created_at"].decode(), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert abs((created - datetime.now(UTC)).total_seconds()) < 5
    assert set(seen) == {"status", "origin", "description", "timeout", "created_at", "enqueued_at", "data"}


def test_the_data_of_a_job_names_one_function_that_nothing_resolves(floor: Floor) -> None:
    floor.make("r1", data={"parameters": b"secret"}, fields={"path": "/srv/flows.py"})
    data = job(floor, "r1")["data"]
    assert data == RQ_JOB_DATA
    name, *rest = msgpack.unpackb(data)
    assert rest == [None, [], {}] and not name.rsplit(".", 1)[1].isidentifier()


def test_a_held_run_is_off_the_list_and_names_its_worker(floor: Floor) -> None:
    claim = floor.start("r1")
    seen = job(floor, "r1")
    assert rq_list(floor) == [] and (seen["status"], seen["worker_name"]) == (b"started", b"a1")
    assert seen["started_at"].endswith(b"Z")
    floor.agent().release(*proof(claim), reason="t")
    seen = job(floor, "r1")
    assert rq_list(floor) == [b"r1"] and seen["status"] == b"queued" and "worker_name" not in seen


def test_a_run_that_comes_back_goes_to_the_head_of_the_list(floor: Floor) -> None:
    floor.start("r1")
    floor.make("r2", "r3")
    floor.travel(40)
    floor.leases.expire_once()
    assert rq_list(floor) == [b"r1", b"r2", b"r3"]


def test_the_job_is_gone_when_the_run_has_ended(floor: Floor) -> None:
    claim = floor.start("r1")
    floor.make("r2")
    floor.finish(claim)
    floor.runs.cancel("r2", actor="user:ann")
    assert job(floor, "r1") == job(floor, "r2") == {} and rq_list(floor) == []


def test_a_run_that_is_not_due_is_no_rq_job_yet_and_a_retry_is_a_scheduled_one(floor: Floor) -> None:
    floor.make("later", due_us=floor.scripts.now_us() + 60_000_000)
    assert job(floor, "later") == {}
    claim = floor.start("r1")
    floor.finish(claim, "FAILED", retry_in_seconds=30)
    assert job(floor, "r1")["status"] == b"scheduled" and rq_list(floor) == []


def test_keys_of_rq_that_were_overwritten_stop_no_run(floor: Floor) -> None:
    floor.make("r1")
    for key in (floor.keys.rq_queue("default"), floor.keys.rq_job("r1"), floor.keys.rq_queues):
        floor.redis.set(key, "not ours")
    floor.make("r2")
    claims = floor.claim(9)
    assert [floor.finish(claim).state for claim in claims] == ["COMPLETED", "COMPLETED"]


def test_a_list_that_rq_tools_have_emptied_delays_no_run(floor: Floor) -> None:
    floor.make("r1", "r2")
    floor.redis.delete(floor.keys.rq_queue("default"), floor.keys.rq_job("r1"), floor.keys.rq_queues)
    assert floor.claim_ids(9) == ["r1", "r2"]


@pytest.mark.parametrize("seed", range(4))
def test_runs_that_leave_a_long_line_anywhere_in_any_order_leave_the_list_too(floor: Floor, seed: int) -> None:
    ids = floor.make(*[f"r{number:03}" for number in range(400)])
    leaving = random.Random(seed).sample(ids, 90)
    list(floor.runs.cancel_many(sorted(leaving, reverse=seed == 1) if seed < 2 else leaving, actor="user:ann"))
    assert rq_list(floor) == [run_id.encode() for run_id in ids if run_id not in leaving]


def test_runs_leave_a_list_that_is_not_in_the_order_of_the_line(floor: Floor) -> None:
    ids = floor.make(*[f"r{number:03}" for number in range(400)])
    floor.redis.rpush(floor.keys.rq_queue("default"), *[floor.redis.lpop(floor.keys.rq_queue("default"))])
    list(floor.runs.cancel_many(ids[150:250], actor="user:ann"))
    assert sorted(rq_list(floor)) == [run_id.encode() for run_id in ids[:150] + ids[250:]]
