"""One pass, and how long to sleep: nothing here starts a process or waits."""

import pytest

from orchestrator.config import Settings
from orchestrator.scheduler.leadership import Leadership
from orchestrator.scheduler.passes import LONGEST_SLEEP, STANDBY_SECONDS
from orchestrator.scheduler.process import passes_of
from queues.clock import from_us
from queues.recovery import WindowLength
from tests.support.deployments import MINUTE_US, MINUTELY, Worker, spec


@pytest.fixture
def passes(store):
    return passes_of(Settings(), store, Leadership(store), WindowLength())


def settle(passes):
    """Pass until there is nothing more to do; gives the sleep."""
    for _ in range(20):
        if (seconds := passes.once()) > 0:
            return seconds
    raise AssertionError("the passes never come to rest")


def again(passes):
    """The passes, with every duty allowed at once: the clock of a test does not wait."""
    for duty in passes.duties:
        duty.not_before = 0.0
    return passes


def state(store, run):
    return store.records.get(run.id).state


def test_a_delayed_run_is_queued_at_its_due_time_and_never_before(store, client, passes):
    client.create_from_spec(spec())
    run = client.run_deployment("nightly", at=from_us(store.scripts.now_us() + 10_000_000))
    store.travel(9_500_000)
    assert settle(passes) < 0.5
    assert state(store, run) == "SCHEDULED"
    store.travel(600_000)
    settle(passes)
    assert state(store, run) == "QUEUED"


def test_with_nothing_to_do_a_pass_is_one_call(store, passes):
    settle(passes)
    before = store.scripts.redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert 0 < passes.once() <= LONGEST_SLEEP
    assert store.scripts.redis.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 1


def test_the_sleep_ends_at_the_next_instant(store, client, passes):
    client.create_from_spec(spec(MINUTELY))
    store.travel(MINUTE_US - store.scripts.now_us() % MINUTE_US - 300_000)
    assert 0.05 < settle(passes) <= 0.3


def test_a_lost_agent_s_run_is_taken_back_after_lease_and_grace(store, client, passes):
    client.create_from_spec(spec())
    run = client.run_deployment("nightly")
    Worker(store).start()
    store.travel(31_500_000)
    settle(passes)
    assert state(store, run) == "RUNNING"
    store.travel(1_000_000)
    settle(again(passes))
    assert state(store, run) == "QUEUED"


def test_a_queued_run_that_a_stranger_removed_is_put_back(store, client, passes):
    client.create_from_spec(spec())
    run = client.run_deployment("nightly")
    store.scripts.redis.delete(store.keys.waiting("default"), store.keys.rq_queue("default"))
    for _ in range(10):
        passes._repair_at = 0.0
        passes.once()
    assert Worker(store).claim()[0].run_id == run.id


def test_a_standby_does_nothing_and_looks_again_soon(store, client, passes):
    client.create_from_spec(spec(MINUTELY))
    store.travel(MINUTE_US)
    Leadership(store).beat()
    assert 0 < passes.once() <= STANDBY_SECONDS
    assert not passes.leading
    assert store.runs.page(10) == []


def test_a_duty_that_fails_does_not_keep_the_others_from_theirs(store, client, passes):
    client.create_from_spec(spec(MINUTELY))
    store.scripts.redis.set(store.keys.delayed + "x", "1")
    settle(passes)
    store.scripts.redis.delete(store.keys.log_ages)
    store.scripts.redis.set(store.keys.log_ages, "no sorted set")
    passes._retention_at = 0.0
    store.travel(MINUTE_US)
    passes._leadership.beat()
    settle(passes)
    assert len(store.runs.page(10)) == 1


def test_a_repair_that_needs_more_time_goes_on_at_once_and_lets_other_duties_in_between(store, passes, monkeypatch):
    settle(passes)
    answers = iter([True, True, False])
    monkeypatch.setattr(passes._rescue, "repair", lambda: next(answers))
    again(passes)._repair_at = 0.0
    assert [passes.once() for _ in range(2)] == [0.0, 0.0]
    assert passes.once() > 0 and passes._repair_at > passes._clock()


def test_a_limit_changed_for_a_time_is_set_back_by_whoever_leads_then(store, client, passes):
    client.create_work_queue("ml", limit=3)
    client.set_concurrency_limit("ml", 6, lasts_seconds=3600)
    store.travel(3599_500_000)
    assert settle(passes) <= 0.5 and client.get_work_queue("ml").concurrency_limit == 6
    store.travel(10_000_000)
    settle(passes_of(Settings(), store, Leadership(store), WindowLength()))
    shown = client.get_work_queue("ml")
    assert (shown.concurrency_limit, shown.limit_until) == (3, None)
    assert (shown.changes[0].who, shown.changes[0].old, shown.changes[0].new) == ("scheduler", "6", "3")
