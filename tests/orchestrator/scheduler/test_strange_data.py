"""A flushed Redis, data of another installation or of last week: nothing is written to data that were replaced."""

import pytest

from orchestrator.client import Client
from orchestrator.config import Settings
from orchestrator.scheduler.leadership import Leadership
from orchestrator.scheduler.process import passes_of
from orchestrator.scheduler.tick import tick
from orchestrator.store import Store
from queues.connection import connect
from queues.errors import RedisRefused
from queues.recovery import Greeting, WindowLength
from queues.server_check import Demands
from tests.support.deployments import MINUTE_US, MINUTELY, spec

HOUR_US = 60 * MINUTE_US
ID = "0123456789abcdef"


def greeted(url, **demands):
    """What a role knows after its first connection: the id of the installation."""
    greeting = Greeting(demands=Demands(**demands))
    connect(url, greet=greeting).close()
    return greeting.installation


def passes_with(store, installation):
    leadership = Leadership(store, installation=installation, leads_seconds=1.0)
    return passes_of(Settings(), store, leadership, WindowLength())


def snapshot(redis):
    """Everything, as a backup has it."""
    return {key: redis.dump(key) for key in redis.keys("*")}


def restore(redis, backup):
    redis.flushall()
    for key, value in backup.items():
        redis.restore(key, 0, value)


def due(store, client):
    """A deployment with an instant that is due."""
    client.create_from_spec(spec(MINUTELY))
    store.travel(MINUTE_US)


def turn(passes):
    """One pass in which something is repaired, if it is allowed to."""
    passes._repair_at = 0.0
    passes.once()


def test_an_installation_has_one_id_that_every_role_learns(redis_url):
    first = greeted(redis_url)
    assert first is not None and len(first) == 16
    assert greeted(redis_url) == greeted(redis_url, installation=first) == first


def test_a_scheduler_writes_nothing_after_a_flush_and_a_new_one_begins_anew(store, client, redis, redis_url, capsys):
    passes = passes_with(store, greeted(redis_url))
    turn(passes)
    redis.flushall()
    due(store, client)
    before = snapshot(redis)
    turn(passes)
    assert snapshot(redis) == before and not passes.leading
    assert "restart this scheduler" in capsys.readouterr().out
    turn(passes_with(store, greeted(redis_url)))
    assert len(store.runs.page(10)) == 1


def test_a_scheduler_leaves_the_data_of_another_installation_alone(store, client, redis, redis_url):
    passes = passes_with(store, greeted(redis_url))
    turn(passes)
    redis.flushall()
    other = greeted(redis_url)
    due(store, client)
    turn(passes)
    assert store.runs.page(10) == [] and other in passes._strange


def test_data_of_last_week_are_left_alone_until_a_scheduler_is_started_anew(store, client, redis, redis_url):
    installation = greeted(redis_url)
    leader, standby = passes_with(store, installation), passes_with(store, installation)
    turn(leader)
    turn(standby)
    client.create_from_spec(spec(MINUTELY))
    backup = snapshot(redis)
    for _ in range(4):
        store.travel(HOUR_US)
        turn(leader)
        turn(standby)
    restore(redis, backup)
    store.travel(2 * MINUTE_US)
    for passes in (leader, standby):
        turn(passes)
        assert not passes.leading and "as of" in passes._strange
    assert store.runs.page(10) == []
    turn(passes_with(store, installation))
    assert len(store.runs.page(10)) == 1
    store.travel(2_000_000)
    turn(leader)
    assert leader._strange is None, "the data are up to date again: it may lead or stand by"


def test_what_a_crash_loses_is_not_taken_for_old_data(store, client, redis, redis_url):
    passes = passes_with(store, greeted(redis_url))
    turn(passes)
    tail_less = snapshot(redis)
    for _ in range(5):
        store.travel(1_000_000)
        turn(passes)
    restore(redis, tail_less)
    due(store, client)
    turn(passes)
    assert len(store.runs.page(10)) == 1


@pytest.mark.parametrize("jump", [HOUR_US, -HOUR_US, 24 * HOUR_US, -24 * HOUR_US])
def test_a_jump_of_the_clock_is_not_taken_for_old_data(store, redis_url, jump):
    installation = greeted(redis_url)
    leader, standby = passes_with(store, installation), passes_with(store, installation)
    for travelled in (0, jump, 1_000_000, -jump, 1_000_000):
        store.travel(travelled)
        for passes in (leader, standby, leader):
            turn(passes)
            assert passes._strange is None


@pytest.mark.parametrize("held", [False, True])
def test_a_pinned_installation_is_the_only_one_that_is_taken(redis, redis_url, held):
    if held:
        found = greeted(redis_url)
    with pytest.raises(RedisRefused, match=f"the installation {found}" if held else "no installation") as refused:
        greeted(redis_url, installation=ID)
    assert refused.value.code == "installation" and "unset HEADGATE_INSTALLATION" in refused.value.hint
    assert held or redis.keys("*") == [], "and nothing was written"


def test_a_command_with_a_pinned_installation_refuses_another(redis_url):
    greeted(redis_url)
    with pytest.raises(RedisRefused, match=ID):
        Client.from_settings(Settings.load({"HEADGATE_REDIS_URL": redis_url, "HEADGATE_INSTALLATION": ID}))


def test_a_deposed_leader_that_missed_the_flush_is_refused_in_mid_pass(store, client, redis):
    """Frozen after its beat: what it still sends carries an epoch that the new data do not know."""
    due(store, client)
    epoch = Leadership(store).beat().epoch
    redis.flushall()
    due(store, client)
    assert tick(Store(redis, offset_us=store.scripts.offset_us), epoch).deposed
    assert store.runs.page(10) == []
