"""The clock of Redis jumps: no instant twice, no burst beyond the catch-up, nothing lost by agents."""

import pytest

from orchestrator.scheduler.leadership import LEADS_SECONDS
from tests.orchestrator.scheduler.test_silence import new_passes, turn
from tests.support.deployments import HOURLY, MINUTE_US, MINUTELY, Worker, spec

HOUR_US = 60 * MINUTE_US


def live(store, passes, minutes=3, *, step_us=10_000_000):
    """Let time pass as it does, the scheduler beating and an agent running what is due."""
    worker = Worker(store)
    for _ in range(minutes * 6):
        turn(passes, 2)
        for claim in worker.claim(100):
            worker.claims.confirm(claim.run_id, claim.token, claim.claim_id)
            worker.finish(claim)
        store.travel(step_us)


def made(store):
    return [run.due_us for run in store.runs.page(10_000)]


def skipped(store, deployment):
    return sum(skip.count for skip in store.schedules.skips(deployment, 1000))


@pytest.mark.parametrize("jump", [HOUR_US, 24 * HOUR_US])
def test_forward_and_back_again_makes_one_run_for_what_was_jumped_over_and_none_twice(store, client, jump):
    deployment = client.create_from_spec(spec(MINUTELY, max_waiting=10)).id
    passes = new_passes(store)
    live(store, passes)
    before = len(made(store))
    store.travel(jump)
    live(store, passes, 1)
    assert len(made(store)) - before <= 3, "the latest instant and those after it"
    last = max(made(store))
    store.travel(-jump)
    live(store, passes)
    assert max(made(store)) == last, "the cursor does not go back"
    store.travel(jump)
    live(store, passes)
    dues = made(store)
    assert len(dues) == len(set(dues))
    assert len(dues) + skipped(store, deployment) == (max(dues) - min(dues)) // MINUTE_US + 1


@pytest.mark.parametrize("jump", [HOUR_US, 24 * HOUR_US])
def test_back_makes_nothing_until_the_clock_is_where_it_was(store, client, jump):
    deployment = client.create_from_spec(spec(MINUTELY, HOURLY.__class__(HOURLY.interval, slug="hourly"))).id
    passes = new_passes(store)
    live(store, passes)
    before = sorted(made(store))
    store.travel(-jump)
    live(store, passes)
    assert sorted(made(store)) == before and skipped(store, deployment) == 0
    store.travel(jump)
    live(store, passes, 1)
    assert len(made(store)) == len(set(made(store))) > len(before)


def test_another_scheduler_takes_over_within_eight_seconds_by_the_clock_of_redis(store):
    """Whatever a standby did last, it asks again after a second at most: this is the worst moment for it."""
    leader, standby = new_passes(store), new_passes(store)
    turn(leader)
    waited = 0.0
    while not standby.leading:
        seconds = standby.once()
        store.travel(round(seconds * 1_000_000))
        waited += seconds
    assert LEADS_SECONDS <= waited <= 8.0
