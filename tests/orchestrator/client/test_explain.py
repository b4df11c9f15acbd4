"""`explain` names what keeps a run from running, and the command that changes it."""

import itertools

import pytest

from orchestrator.scheduler.leadership import Leadership
from queues.clock import from_us
from tests.support.deployments import Worker, spec

NAMES = (f"ant-{number}" for number in itertools.count())


@pytest.fixture
def deployed(client):
    client.create_from_spec(spec(tags=["ml"]))
    return client


def codes(client, run):
    return [reason.code for reason in client.explain(run.id).reasons]


def start_one(client, store):
    """A run that is running on an agent of its own."""
    worker = Worker(store, next(NAMES))
    run = client.run_deployment("nightly")
    worker.start()
    return run


def test_a_run_without_an_agent_names_the_queue_and_who_listened_last(deployed, store):
    run = deployed.run_deployment("nightly")
    assert codes(deployed, run) == ["no-agent"]
    Worker(store, "ant")
    store.travel(100_000_000)
    (reason,) = deployed.explain(run.id).reasons
    assert "the last was ant on" in reason.text
    assert reason.command == "headgate agent start -q default"


def test_a_paused_queue_is_named_first(deployed):
    run = deployed.run_deployment("nightly")
    deployed.pause_work_queue("default")
    told = deployed.explain(run.id)
    assert told.reasons[0].command == "headgate work-queue resume default"
    assert told.summary == "work queue default is paused"


def test_a_full_queue_names_the_holders_since_when_and_the_runs_ahead(deployed, store):
    deployed.set_concurrency_limit("default", 1)
    holder = start_one(deployed, store)
    deployed.run_deployment("nightly")
    run = deployed.run_deployment("nightly")
    told = deployed.explain(run.id)
    assert [one.run_id for one in told.holders] == [holder.id]
    assert told.reasons[0].code == "limit-full"
    assert f"{holder.name} since" in told.summary
    assert "1 run of the queue due before it" in told.summary
    assert told.reasons[0].command == "headgate work-queue set-concurrency-limit default 2"


@pytest.mark.parametrize("limit", ["deployment", "tag:ml"])
def test_a_parked_run_names_the_limit_it_is_parked_under(deployed, store, limit):
    name = f"deployment:{deployed.get_deployment('nightly').id}" if limit == "deployment" else limit
    store.limits.set(name, 1, "ada")
    holder = start_one(deployed, store)
    run = deployed.run_deployment("nightly")
    Worker(store, "bee").claim()
    assert store.records.get(run.id).parked == name
    told = deployed.explain(run.id)
    assert told.reasons[0].details["limit"] == name
    assert [one.run_id for one in told.holders] == [holder.id]


def test_a_run_that_is_not_due_says_when_and_whether_a_scheduler_is_there(deployed, store):
    run = deployed.run_deployment("nightly", at=from_us(store.scripts.now_us() + 90_000_000))
    assert codes(deployed, run) == ["not-due", "no-scheduler"]
    Leadership(store).beat()
    told = deployed.explain(run.id)
    assert "in 1 min" in told.summary
    assert len(told.reasons) == 1


def test_a_due_run_that_no_scheduler_moves_says_so(deployed, store):
    run = deployed.run_deployment("nightly", at=from_us(store.scripts.now_us() + 1_000_000))
    store.travel(60_000_000)
    (reason,) = deployed.explain(run.id).reasons
    assert (reason.code, reason.command) == ("no-scheduler", "headgate scheduler start")


def test_the_agent_that_starts_or_runs_or_ends_it_is_named(deployed, store):
    run = deployed.run_deployment("nightly")
    worker = Worker(store, "ant")
    claim = worker.claim()[0]
    assert "agent ant claimed it" in deployed.explain(run.id).summary
    worker.claims.confirm(claim.run_id, claim.token, claim.claim_id)
    assert codes(deployed, run) == ["running"]
    deployed.cancel(run.id)
    assert codes(deployed, run) == ["cancelling"]


def test_agents_without_room_are_named_with_their_load(deployed, store):
    Worker(store, "ant")
    run = deployed.run_deployment("nightly")
    store.scripts.redis.hset(store.keys.agent("ant"), "running", 4)
    (reason,) = deployed.explain(run.id).reasons
    assert (reason.code, "ant (4 of 4)" in reason.text) == ("agents-full", True)


def test_a_returned_redis_holds_everything_for_a_moment(deployed, store):
    run = deployed.run_deployment("nightly")
    until = store.scripts.now_us() + 1_500_000
    store.scripts.redis.hset(store.keys.recovery, "no_claims_before", until)
    assert codes(deployed, run)[0] == "recovery"


def test_nothing_in_the_way_says_that_it_starts_or_that_no_agent_takes_it(deployed, store):
    Worker(store, "ant")
    run = deployed.run_deployment("nightly")
    assert codes(deployed, run) == ["starting"]
    store.travel(10_000_000)
    assert codes(deployed, run) == ["not-taken"]


def test_a_run_that_was_given_back_says_why(deployed, store):
    run = deployed.run_deployment("nightly")
    worker = Worker(store, "ant")
    claim = worker.start()
    worker.claims.release(claim.run_id, claim.token, claim.claim_id, reason="the agent drains")
    given_back = deployed.explain(run.id).reasons[-1]
    assert (given_back.code, "the agent drains" in given_back.text) == ("given-back", True)


def test_an_ended_run_points_to_retry_only_when_it_did_not_complete(deployed, store):
    worker = Worker(store)
    good, bad = deployed.run_deployment("nightly"), deployed.run_deployment("nightly")
    worker.run_one()
    worker.run_one(state="FAILED", reason="ValueError: x")
    assert deployed.explain(good.id).reasons[0].command is None
    told = deployed.explain(bad.id)
    assert told.reasons[0].command == f"headgate flow-run retry {bad.id}"
    assert "ValueError: x" in told.summary
