"""Who is woken, how many, in which order, and what a wake-up leaves behind."""

import threading

import pytest

from queues.claims import Outcome
from queues.errors import RedisUnreachable
from queues.wakeups import wait_for_wake
from tests.queues.floor import Floor, proof
from tests.support.redis_server import RedisServer


def idle(floor: Floor, *agents: str, queue: str = "default") -> None:
    """Let agents ask in vain, in this order."""
    for agent in agents:
        assert floor.claim(1, queue, agent=agent) == []


def woken(floor: Floor) -> list[str]:
    """The names that have a wake-up waiting; they are taken."""
    names = sorted(key.decode().rsplit(":", 1)[1] for key in floor.redis.keys("*:wake:*"))
    floor.redis.delete(*[floor.keys.wake(name) for name in names] or ["nothing"])
    return names


def test_a_new_run_wakes_the_agent_that_is_idle_for_longest(floor: Floor) -> None:
    idle(floor, "a3", "a1", "a2", "a1")
    floor.make("r1")
    assert woken(floor) == ["a3"]
    floor.make("r2")
    assert woken(floor) == ["a1"]


def test_as_many_agents_are_woken_as_runs_can_start(floor: Floor) -> None:
    floor.queues.create("ml", limit=2)
    idle(floor, "a1", "a2", "a3", "a4", queue="ml")
    floor.make("r1", "r2", "r3", "r4", queue="ml")
    assert woken(floor) == ["a1", "a2"]


def test_agents_of_other_queues_sleep_on(floor: Floor) -> None:
    floor.queues.create("ml")
    idle(floor, "a1")
    floor.make("r1", queue="ml")
    assert woken(floor) == []


def test_an_agent_of_two_queues_is_woken_once(floor: Floor) -> None:
    floor.queues.create("ml")
    floor.agent("a1").claim(["default", "ml"], 1, claim_id="c1")
    floor.agent("a2").claim(["default", "ml"], 1, claim_id="c2")
    floor.make("r1", queue="ml")
    floor.make("r2")
    assert woken(floor) == ["a1", "a2"]


def test_a_freed_slot_wakes_one_agent_for_the_next_run(floor: Floor) -> None:
    floor.queues.create("ml", limit=1)
    claim = floor.start("r1", queue="ml")
    floor.make("r2", "r3", queue="ml")
    idle(floor, "a2", "a3", queue="ml")
    floor.finish(claim)
    assert woken(floor) == ["a2"]


def test_a_limit_that_frees_or_rises_wakes_for_parked_runs(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 1, "ann")
    claim = floor.start("r0", limits=("tag:gpu",))
    floor.make(*[f"r{number}" for number in range(1, 9)], limits=("tag:gpu",))
    idle(floor, "a2", "a3", "a4", "a5")
    floor.finish(claim)
    assert woken(floor) == ["a2"]
    floor.limits.set("tag:gpu", 3, "ann")
    assert woken(floor) == ["a3", "a4", "a5"]


@pytest.mark.parametrize("change", ["resume", "raise"])
def test_resume_and_a_raised_queue_limit_wake(floor: Floor, change: str) -> None:
    floor.queues.create("ml", limit=1)
    floor.start("r0", queue="ml")
    floor.make("r1", "r2", queue="ml")
    idle(floor, "a2", "a3", queue="ml")
    floor.queues.pause("ml", "ann")
    floor.queues.set_limit("ml", 2, "ann")
    assert woken(floor) == []
    floor.queues.resume("ml", "ann")
    assert woken(floor) == ["a2"]


def test_a_limit_that_gets_its_higher_number_back_wakes(floor: Floor) -> None:
    floor.queues.create("ml", limit=2)
    floor.queues.set_limit("ml", 1, "ann", lasts_seconds=10)
    floor.start("r0", queue="ml")
    floor.make("r1", "r2", queue="ml")
    idle(floor, "a2", "a3", queue="ml")
    floor.travel(11)
    assert (woken(floor), floor.limits.revert_due(actor="scheduler"), woken(floor)) == ([], ["queue:ml"], ["a2"])


def test_an_expired_lease_and_a_release_wake(floor: Floor) -> None:
    released = floor.start("r1")
    floor.start("r2")
    floor.travel(40)
    idle(floor, "a2", "a3")
    floor.agent().release(*proof(released), reason="t")
    assert woken(floor) == ["a2"]
    floor.leases.expire_once()
    assert woken(floor) == ["a3"]


def test_an_agent_that_got_all_it_asked_for_is_not_idle(floor: Floor) -> None:
    idle(floor, "a1")
    floor.make("r1", "r2")
    floor.claim(1)
    woken(floor)
    floor.make("r3")
    assert woken(floor) == []


def test_an_agent_that_stopped_asking_is_skipped(floor: Floor) -> None:
    idle(floor, "gone", "here")
    assert 0 < floor.redis.ttl(floor.keys.idling("gone")) <= 15
    floor.redis.delete(floor.keys.idling("gone"))
    floor.make("r1")
    assert woken(floor) == ["here"]
    assert floor.redis.zcard(floor.keys.idle("default")) == 0


def test_wake_up_lists_stay_short_and_expire(floor: Floor) -> None:
    claims = [floor.start(f"r{number}") for number in range(5)]
    for claim in claims:
        floor.runs.cancel(claim.run_id, actor="user:ann")
    assert floor.redis.lrange(floor.keys.wake("a1"), 0, -1) == [b"cancel", b"cancel"]
    assert 0 < floor.redis.ttl(floor.keys.wake("a1")) <= 60


def test_the_scheduler_is_woken_when_a_delayed_run_is_due_before_all_others(floor: Floor) -> None:
    now = floor.scripts.now_us()
    for run_id, seconds, wakes in (("r1", 60, True), ("r2", 90, False), ("r3", 30, True)):
        floor.make(run_id, due_us=now + seconds * 1_000_000)
        assert woken(floor) == (["scheduler"] if wakes else [])
    claim = floor.start("r4")
    floor.agent().finish(*proof(claim), Outcome(state="FAILED", retry_in_seconds=5))
    assert woken(floor) == ["scheduler"]


def test_a_blocked_agent_gets_its_wake_up(floor: Floor, redis_server: RedisServer) -> None:
    idle(floor, "a1")
    timer = threading.Timer(0.05, floor.make, args=("r1",))
    timer.start()
    blocking = redis_server.client()
    assert wait_for_wake(blocking, floor.keys.wake("a1"), timeout=5) == "work"
    assert wait_for_wake(blocking, floor.keys.wake("a1"), timeout=0.05) is None
    timer.join()


def test_waiting_on_a_redis_that_goes_away_says_so(own_redis: RedisServer) -> None:
    client = own_redis.client()
    client.ping()
    own_redis.kill()
    with pytest.raises(RedisUnreachable):
        wait_for_wake(client, "{headgate}:wake:a1", timeout=1)
