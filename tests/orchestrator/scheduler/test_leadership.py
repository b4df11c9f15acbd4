"""One scheduler leads at a time; a leader that is gone is followed within seconds, a deposed one is refused."""

from orchestrator.scheduler.leadership import LEADS_SECONDS, Leadership
from orchestrator.store import Store

SECOND_US = 1_000_000


def test_the_first_leads_and_the_second_stands_by(store):
    first, second = Leadership(store), Leadership(store)
    assert first.beat().leading
    assert not second.beat().leading
    store.travel(5 * SECOND_US)
    assert first.beat().leading
    store.travel(5 * SECOND_US)
    assert not second.beat().leading


def test_a_standby_takes_over_from_a_leader_that_fell_silent_with_a_new_epoch(store):
    first, second = Leadership(store), Leadership(store)
    epoch = first.beat().epoch
    store.travel(round(LEADS_SECONDS * SECOND_US))
    after = second.beat()
    assert (after.leading, after.epoch) == (True, epoch + 1)
    assert not first.beat().leading


def test_a_leader_that_resigns_is_followed_at_once(store, redis):
    first, second = Leadership(store), Leadership(store)
    epoch = first.beat().epoch
    first.resign(Store(redis))
    assert second.beat().epoch == epoch + 1
    first.resign(Store(redis))  # of no effect: it does not lead
    assert second.beat().leading


def test_a_clock_that_was_set_back_leaves_no_leader_for_ever(store):
    Leadership(store).beat()
    store.travel(-3600 * SECOND_US)
    assert Leadership(store).beat().leading


def test_a_beat_says_when_something_is_next(store, client):
    from tests.support.deployments import HOURLY, Worker, spec

    assert Leadership(store).beat().next_due_us is None
    client.create_from_spec(spec(HOURLY))
    run = client.run_deployment("nightly")
    Worker(store).start()
    pulse = Leadership(store, leads_seconds=100).beat()
    assert pulse.next_due_us % (3600 * SECOND_US) == 0
    assert pulse.next_deadline_us > pulse.now_us
    assert run.id
