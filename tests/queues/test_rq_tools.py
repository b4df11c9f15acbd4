"""rq's own command line on our Redis: it shows queues and agents, and whatever it breaks loses no run."""

import pytest

from queues.claims import Held
from queues.identity import ProcessIdentity
from queues.presence import Presence
from queues.repair import Repair
from queues.rq_bridge import RqBridge
from tests.queues.floor import Floor
from tests.support.rq_tools import rq

IDS = [f"run-{number:02}" for number in range(30)]


@pytest.fixture
def presence(floor: Floor) -> Presence:
    """One agent `a1`, registered on two queues as a worker of rq."""
    presence = Presence(floor.scripts)
    me = ProcessIdentity.here()
    presence.register("a1", ["default", "ml"], limit=2, instance="one", identity=me, rq_worker=RqBridge().worker(me))
    return presence


def claimed_in_order(floor: Floor) -> list[str]:
    """Claim one by one until nothing is left."""
    taken: list[str] = []
    while got := floor.claim_ids(1):
        taken += got
    return taken


def test_rq_info_shows_depth_and_agents(floor, presence, redis_url):
    floor.make(*IDS)
    (claim,) = floor.claim()
    floor.agent().renew([Held(run_id=claim.run_id, token=claim.token, claim_id=claim.claim_id)])
    shown = rq(redis_url, "info", "--raw")
    assert "queue default 29," in shown
    assert "queue ml 0," in shown
    assert "worker a1 (" in shown
    assert "busy default, ml." in shown


def test_rq_info_changes_nothing_that_repair_would_mend(floor, presence, redis_url):
    floor.make(*IDS)
    rq(redis_url, "info")
    assert Repair(floor.scripts).repair_once().counts == {}


def test_a_stock_burst_worker_loses_no_run_and_no_place(floor, redis_url):
    floor.make(*IDS)
    assert "DeserializationError" in rq(redis_url, "worker", "--burst", "default")
    Repair(floor.scripts).repair_once()
    assert "queue default 30, 0 executing, 0 finished, 0 failed" in rq(redis_url, "info", "--raw")
    assert claimed_in_order(floor) == IDS


def test_runs_can_be_claimed_while_a_stock_worker_has_emptied_the_list(floor, redis_url):
    floor.make(*IDS)
    rq(redis_url, "worker", "--burst", "default")
    assert claimed_in_order(floor) == IDS
    Repair(floor.scripts).repair_once()
    assert rq(redis_url, "info", "--raw").startswith("queue default 0, 0 executing, 0 finished, 0 failed")


def test_rq_empty_loses_no_run_and_no_place(floor, redis_url):
    floor.make(*IDS)
    assert "30 jobs removed" in rq(redis_url, "empty", "default")
    Repair(floor.scripts).repair_once()
    assert [run.decode() for run in floor.redis.lrange(floor.keys.rq_queue("default"), 0, -1)] == IDS
    assert claimed_in_order(floor) == IDS


def test_a_finish_after_rq_has_failed_the_job_leaves_nothing_of_it(floor, redis_url):
    floor.make("r1")
    rq(redis_url, "worker", "--burst", "default")
    (claim,) = floor.claim()
    Repair(floor.scripts).repair_once()
    floor.finish(claim)
    left = [key.decode() for key in floor.redis.scan_iter() if b":rq:" in key and b"r1" in key]
    assert left == []
