"""Redis comes back without its last moments: cursor, runs and claims are of one log, so they went back together."""

import pytest

from queues.recovery import WindowLength
from tests.orchestrator.scheduler.test_silence import new_passes, renew, turn
from tests.orchestrator.scheduler.test_strange_data import restore, snapshot
from tests.support.deployments import MINUTE_US, MINUTELY, Worker, spec

SECOND_US = 1_000_000


@pytest.fixture
def scene(store, client, redis):
    """A deployment with an instant that is due, a living scheduler, and two agents that greeted."""
    store.scripts.call("greet", run_id="one", installation="i1", **WindowLength().arguments())
    client.create_from_spec(spec(MINUTELY))
    agents = Worker(store, "a1"), Worker(store, "a2")
    passes = new_passes(store)
    turn(passes)
    for _ in range(12):
        store.travel(MINUTE_US // 12)
        passes._leadership.beat()
    return passes, *agents


def lose(store, backup):
    """The server is another one, on the data of that moment."""
    restore(store.scripts.redis, backup)
    store.scripts.call("greet", run_id="two", installation="i1", **WindowLength().arguments())


def only_run(store):
    (run,) = store.runs.page(10)
    return run


def test_an_executing_run_whose_record_went_is_ended_before_its_instant_is_run_again(store, redis, scene):
    passes, agent, other = scene
    backup = snapshot(redis)
    turn(passes)
    claim = agent.start()
    lose(store, backup)
    assert renew(agent, claim) == set(), "lost: the agent kills it"
    turn(passes)
    assert only_run(store).id == claim.run_id and other.claim() == [], "nobody claims for two seconds"
    store.travel(2_100_000)
    assert [again.run_id for again in other.claim()] == [claim.run_id]


def test_an_executing_run_whose_instant_is_made_again_first_goes_on(store, redis, scene):
    passes, agent, other = scene
    backup = snapshot(redis)
    turn(passes)
    claim = agent.start()
    lose(store, backup)
    turn(passes)
    assert renew(agent, claim) == {claim.run_id} and only_run(store).state == "RUNNING"
    store.travel(2_100_000)
    assert other.claim() == []
    agent.finish(claim)
    turn(passes)
    assert (only_run(store).state, only_run(store).lost) == ("COMPLETED", 0)


def test_a_run_whose_claim_went_goes_on(store, redis, scene):
    passes, agent, _ = scene
    turn(passes)
    backup = snapshot(redis)
    claim = agent.start()
    lose(store, backup)
    assert renew(agent, claim) == {claim.run_id} and only_run(store).state == "RUNNING"


@pytest.mark.parametrize("at", ["made", "running"])
def test_a_run_whose_end_went_runs_once_more(store, redis, scene, at):
    passes, agent, other = scene
    turn(passes)
    backup = snapshot(redis) if at == "made" else None
    claim = agent.start()
    backup = backup or snapshot(redis)
    agent.finish(claim)
    lose(store, backup)
    for _ in range(5):
        assert agent.claims.renew([]).lost == set()
        turn(passes)
        store.travel(9 * SECOND_US)
    turn(passes)
    assert [again.run_id for again in other.claim()] == [claim.run_id]


def test_a_cursor_that_went_back_makes_the_same_instants_again_and_each_once(store, redis, scene):
    passes, agent, _ = scene
    turn(passes)
    agent.run_one()
    backup = snapshot(redis)
    for _ in range(12):
        store.travel(MINUTE_US // 12)
        turn(passes)
    agent.run_one()
    before = sorted(run.id for run in store.runs.page(10))
    lose(store, backup)
    passes = new_passes(
        store
    )  # of a minute: more than a crash loses, so a scheduler that knew the later data would ask
    store.travel(3 * SECOND_US)
    for _ in range(3):
        turn(passes)
    assert sorted(run.id for run in store.runs.page(10)) == before and len(before) == 2
