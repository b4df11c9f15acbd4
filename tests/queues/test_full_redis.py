"""A Redis at its memory limit takes no new run, and lets everything that runs go on and end."""

import pytest

from queues.claims import Held
from queues.errors import OutOfMemory
from queues.states import State
from tests.queues.floor import Floor, proof


def test_a_full_redis_refuses_new_runs_and_writes_nothing_of_them(floor: Floor) -> None:
    floor.make("r1")
    before = floor.dump()
    floor.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(OutOfMemory):
            floor.make("r2", "r3", groups=("deployment:d",), data={"parameters": b"{}"})
    finally:
        floor.redis.config_set("maxmemory", 0)
    assert floor.dump() == before


def test_what_runs_is_confirmed_renewed_cancelled_expired_and_ended_on_a_full_redis(floor: Floor) -> None:
    ended, stopped, given, retried, lost = [floor.start(f"r{number}") for number in range(5)]
    floor.make("r9")
    (fresh,) = floor.claim()
    floor.redis.config_set("maxmemory", 1)
    try:
        agent = floor.agent()
        assert agent.confirm(*proof(fresh)) == "ok"
        renewed = agent.renew([Held(run_id=fresh.run_id, token=fresh.token, claim_id=fresh.claim_id)])
        floor.finish(ended, data={"result": b"1"})
        floor.runs.cancel(stopped.run_id, actor="user:ann")
        floor.finish(stopped, "FAILED")
        agent.release(*proof(given), reason="drain")
        floor.finish(retried, "FAILED", retry_in_seconds=1)
        floor.travel(40)
        expired = floor.leases.expire_once()
        floor.queues.pause("default", "user:ann")
    finally:
        floor.redis.config_set("maxmemory", 0)
    assert set(renewed.deadlines) == {"r9"} and lost.run_id in expired.requeued
    states = [floor.state(f"r{number}") for number in range(5)]
    assert states == [State.COMPLETED, State.CANCELLED, State.QUEUED, State.SCHEDULED, State.QUEUED]
