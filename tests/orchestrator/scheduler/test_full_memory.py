"""Redis at its memory limit: schedulers lead, expire, repair and make room; only what is new is refused."""

from contextlib import contextmanager

import pytest

from orchestrator.scheduler.retention import Retention
from orchestrator.scheduler.tick import tick
from orchestrator.store import LogRecord
from queues.claims import Held
from queues.connection import connect
from queues.errors import OutOfMemory
from queues.recovery import Greeting
from queues.scripts import Scripts
from tests.orchestrator.scheduler.test_silence import new_passes, turn
from tests.queues.floor import Floor
from tests.queues.oracle import check, look
from tests.support.deployments import MINUTE_US, MINUTELY, Worker, spec

DAY_US = 24 * 60 * MINUTE_US


@contextmanager
def full(redis):
    """A limit far below what is used, for a while."""
    redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        redis.config_set("maxmemory", 0)


def whole(store):
    """Nothing was left half done: the oracle agrees, and repair finds nothing."""
    floor = Floor(store.scripts)
    check(look(floor))
    passes = new_passes(store)
    assert not dict(passes._rescue._repair.repair_once().counts)


def test_instants_that_can_not_get_their_run_get_it_after_relief(store, client, redis, capsys):
    client.create_from_spec(spec(MINUTELY))
    passes = new_passes(store)
    turn(passes)
    store.travel(MINUTE_US)
    with full(redis):
        with pytest.raises(OutOfMemory):
            tick(store)
        turn(passes)
        assert passes.leading and store.runs.page(10) == []
    assert "duty_failed" in capsys.readouterr().out
    turn(passes)
    assert len(store.runs.page(10)) == 1
    whole(store)


def test_runs_of_a_lost_agent_and_delayed_ones_go_back_into_line(store, client, redis):
    client.create_from_spec(spec(retries=1))
    lost, later = client.run_deployment("nightly"), client.run_deployment("nightly")
    passes, worker = new_passes(store), Worker(store)
    first, second = worker.claim(2)
    turn(passes)
    with full(redis):
        worker.finish(second, "FAILED", retry_in_seconds=20)
        for _ in range(4):
            store.travel(9_000_000)
            turn(passes)
        assert [store.records.get(run.id).state for run in (lost, later)] == ["QUEUED", "QUEUED"]
        assert first.run_id == lost.id and worker.claim(2), "and can be claimed: they are there already"
    whole(store)


def test_room_is_made_by_forgetting_old_runs_and_logs(store, client, redis):
    client.create_from_spec(spec())
    client.run_deployment("nightly")
    worker = Worker(store)
    claim = worker.start()
    store.logs.append(claim.run_id, claim.token, claim.attempt, 1, [LogRecord(1, 1, 20, "hello")])
    worker.finish(claim)
    store.travel(31 * DAY_US)
    with full(redis):
        assert Retention(store).step().runs == 1
    assert store.records.get(claim.run_id) is None and not redis.exists(store.keys.logs(claim.run_id))


def test_an_agent_that_has_nothing_to_claim_is_idle_and_is_woken(store, client, redis):
    client.create_from_spec(spec())
    worker = Worker(store)
    with full(redis):
        assert worker.claim() == []
        assert redis.zcard(store.keys.idle("default")) == 1


def test_agents_are_asked_to_leave_and_leave_with_what_they_held(store, client, redis):
    client.create_from_spec(spec())
    client.run_deployment("nightly")
    worker = Worker(store)
    claim = worker.start()
    instance = redis.hget(store.keys.agent("worker"), "instance").decode()
    with full(redis):
        store.presence.request("worker", "drain", actor="ada")
        held = Held(run_id=claim.run_id, token=claim.token, claim_id=claim.claim_id, confirmed=True)
        assert worker.claims.renew([held]).request == "drain"
        assert store.presence.unregister("worker", instance, reason="drained") == (claim.run_id,)
    assert store.records.get(claim.run_id).state == "QUEUED"
    whole(store)


def test_what_a_stranger_removed_is_put_back(store, client, redis):
    client.create_from_spec(spec())
    client.run_deployment("nightly")
    passes = new_passes(store)
    turn(passes)
    with full(redis):
        redis.delete(store.keys.waiting("default"))
        for _ in range(5):
            passes._repair_at = 0.0
            turn(passes)
        assert redis.zcard(store.keys.waiting("default")) == 1


def test_a_full_redis_that_was_restarted_lets_everyone_in(own_redis):
    """The greeting of a new server writes; refused, no agent could say that its runs are alive."""
    floor = Floor(Scripts(connect(own_redis.url, greet=Greeting())))
    claim = floor.start("r1")
    own_redis.options["maxmemory"] = "1"
    own_redis.restart()
    floor = Floor(Scripts(connect(own_redis.url, greet=Greeting())))
    held = Held(run_id="r1", token=claim.token, claim_id=claim.claim_id, confirmed=True)
    assert set(floor.agent().renew([held]).deadlines) == {"r1"}
    assert floor.finish(claim).answer == "ok"
    with pytest.raises(OutOfMemory):
        floor.make("r2")
