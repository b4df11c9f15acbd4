"""Redis takes no writes for a while and then does: agents that kept their runs renew before anything expires."""

import time

import pytest

from orchestrator.config import Settings
from orchestrator.scheduler.leadership import Leadership
from orchestrator.scheduler.process import passes_of
from orchestrator.store import Store
from queues.claims import Held
from queues.errors import RedisUnreachable
from queues.recovery import WindowLength
from tests.support.deployments import Worker, spec
from tests.support.waiting import wait_until

SECOND_US = 1_000_000
HOUR = 3600


def new_passes(store, length=None):
    """A scheduler that has just been started."""
    length = length or WindowLength()
    settings = Settings(lease_seconds=length.lease_seconds, renew_seconds=0.1, grace_seconds=length.grace_seconds)
    return passes_of(settings, store, Leadership(store, length=length), length)


def turn(passes, times=3):
    """Some passes, with every duty allowed at once."""
    for _ in range(times):
        for duty in passes.duties:
            duty.not_before = 0.0
        passes.once()


def started(store, client, queue="default"):
    """A run that an agent has claimed and confirmed; gives the agent and the claim."""
    client.create_from_spec(spec(work_queue=queue))
    client.run_deployment("nightly")
    worker = Worker(store, queues=(queue,))
    return worker, worker.start()


def renew(worker, claim):
    """The runs whose leases the agent's next renewal extends."""
    held = Held(run_id=claim.run_id, token=claim.token, claim_id=claim.claim_id, confirmed=True)
    return set(worker.claims.renew([held]).deadlines)


def state(store, claim):
    return store.records.get(claim.run_id).state


def window(store):
    """Why nothing expires for a while; None when there never was such a time."""
    return store.scripts.redis.hget(store.keys.recovery, "reason")


@pytest.mark.parametrize("restarted", [False, True])
def test_runs_whose_leases_lapsed_while_nothing_could_be_written_are_still_their_agent_s(store, client, restarted):
    worker, claim = started(store, client)
    passes = new_passes(store)
    turn(passes)
    store.travel(50 * SECOND_US)
    turn(new_passes(store) if restarted else passes)
    assert window(store) == b"no scheduler could write for 50.0 s"
    assert renew(worker, claim) == {claim.run_id} and state(store, claim) == "RUNNING"


def test_a_standby_that_takes_over_after_the_silence_sees_it_too(store, client):
    worker, claim = started(store, client)
    first, second = new_passes(store), new_passes(store)
    turn(first)
    turn(second)
    store.travel(50 * SECOND_US)
    turn(second)
    assert second.leading and renew(worker, claim) == {claim.run_id}


def test_a_run_whose_agent_died_in_the_silence_is_taken_back_after_lease_and_grace(store, client):
    _, claim = started(store, client)
    passes = new_passes(store)
    turn(passes)
    store.travel(50 * SECOND_US)
    for seconds in (0, 14, 14):
        store.travel(seconds * SECOND_US)
        turn(passes)
        assert state(store, claim) == "RUNNING"
    store.travel(5 * SECOND_US)
    turn(passes)
    assert state(store, claim) == "QUEUED"


def test_a_fail_over_between_schedulers_holds_nothing_up(store, client):
    _, claim = started(store, client)
    turn(new_passes(store))
    store.travel(14 * SECOND_US)
    turn(new_passes(store))
    assert window(store) is None
    for _ in range(2):
        store.travel(10 * SECOND_US)
        turn(new_passes(store))
    assert state(store, claim) == "QUEUED"


def test_a_queue_with_a_short_lease_is_looked_after_by_its_own(store, client):
    store.queues.create("quick", lease=4, actor="a test")
    worker, claim = started(store, client, "quick")
    passes = new_passes(store)
    turn(passes)
    store.travel(8 * SECOND_US)
    turn(passes)
    assert renew(worker, claim) == {claim.run_id}


def test_nothing_is_held_up_where_no_lease_stands(store):
    turn(new_passes(store))
    store.travel(12 * HOUR * SECOND_US)
    turn(new_passes(store))
    assert window(store) is None


def test_a_scheduler_that_was_frozen_between_beat_and_expiry_beats_again_first(store, client):
    worker, claim = started(store, client)
    passes = new_passes(store)
    turn(passes)
    store.travel(50 * SECOND_US)
    assert passes._rescue.expire() is False and state(store, claim) == "RUNNING"
    turn(passes)
    assert renew(worker, claim) == {claim.run_id}


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 24 * HOUR, -24 * HOUR])
def test_a_jump_of_the_clock_expires_nothing(store, client, jump):
    worker, claim = started(store, client)
    passes = new_passes(store)
    turn(passes)
    store.travel(jump * SECOND_US)
    turn(passes)
    assert window(store) is not None
    assert renew(worker, claim) == {claim.run_id} and state(store, claim) == "RUNNING"
    assert worker.claim() == []  # and nobody has to wait for a time that lies ahead
    client.run_deployment("nightly")
    assert len(worker.claim()) == 1


def test_a_clock_set_back_after_a_window_leaves_none_that_lasts_for_an_hour(store, client):
    _, claim = started(store, client)
    passes = new_passes(store)
    turn(passes)
    store.travel(HOUR * SECOND_US)
    turn(passes)
    store.travel(-HOUR * SECOND_US)
    for _ in range(5):
        turn(passes)
        store.travel(14 * SECOND_US)
    assert state(store, claim) == "QUEUED"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_redis_that_takes_no_writes_and_then_does_takes_no_run_from_a_living_agent(own_redis, restarted):
    """With a real server and time: leases of 0.6 s, 1.2 s without writes, and the agent renews last."""
    from orchestrator.client import Client

    store, length = Store(own_redis.client()), WindowLength(lease_seconds=0.6, grace_seconds=0.3)
    worker, claim = started(store, Client(store, actor="ada"))
    worker.claims._lease_us = 600_000
    assert renew(worker, claim)
    passes = new_passes(store, length)
    turn(passes)
    own_redis.client().config_set("min-replicas-to-write", 1)
    refused_since = time.monotonic()
    with pytest.raises(RedisUnreachable) as refused:
        renew(worker, claim)
    assert refused.value.away
    wait_until(lambda: time.monotonic() - refused_since > 1.2)
    own_redis.client().config_set("min-replicas-to-write", 0)
    turn(new_passes(store, length) if restarted else passes)
    assert renew(worker, claim) == {claim.run_id} and state(store, claim) == "RUNNING"
