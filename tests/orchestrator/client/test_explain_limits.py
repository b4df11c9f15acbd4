"""`explain` of runs that a limit keeps waiting: which one, who holds its slots, on which host, since when."""

import socket

import pytest

from tests.support.deployments import Worker, silence, spec, start_one


@pytest.fixture
def deployed(client):
    client.create_from_spec(spec(tags=["ml"]))
    return client


def test_a_full_queue_names_the_holders_their_host_since_when_and_the_runs_ahead(deployed, store):
    deployed.set_concurrency_limit("default", 1)
    holder = start_one(deployed, store)
    deployed.run_deployment("nightly")
    run = deployed.run_deployment("nightly")
    store.travel(200_000_000)
    Worker(store, "bee")
    told = deployed.explain(run.id)
    host = socket.gethostname()
    assert [(one.run_id, one.host) for one in told.holders] == [(holder.id, host)]
    assert told.reasons[0].code == "limit-full"
    assert f"the only slot of work queue default is taken, by {holder.name} on {host} for 3 min 20 s" in told.summary
    assert told.summary.endswith("; 1 run in line before it")
    assert deployed.get_flow_run(run.id).why == "work queue default is full (1/1), 1 run before it"
    assert told.reasons[0].command == "headgate work-queue set-concurrency-limit default 2"


def test_a_queue_without_an_agent_comes_before_limits_which_free_themselves(deployed, store):
    store.limits.set("tag:ml", 1, "ada")
    start_one(deployed, store)
    deployed.create_work_queue("alone")
    deployed.set_work_queue("nightly", "alone")
    run = deployed.run_deployment("nightly")
    assert [reason.code for reason in deployed.explain(run.id).reasons[:2]] == ["no-agent", "limit-full"]
    assert deployed.get_flow_run(run.id).why == "no agent listens to alone"


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


def test_slots_of_an_agent_that_fell_silent_and_a_missing_scheduler_are_pointed_out(deployed, store):
    deployed.set_concurrency_limit("default", 1)
    holder = start_one(deployed, store)
    run = deployed.run_deployment("nightly")
    agent = store.records.get(holder.id).agent
    silence(store, agent, 20)
    full, silent, scheduler = deployed.explain(run.id).reasons[:3]
    assert [full.code, silent.code, scheduler.code] == ["limit-full", "holder-silent", "no-scheduler"]
    assert f"agent {agent}, which holds slots for {holder.name}, was heard of 20 s ago" in silent.text


def test_a_parked_run_tells_how_many_wait_for_the_same_before_it(deployed, store):
    store.limits.set("tag:ml", 1, "ada")
    start_one(deployed, store)
    _, second, third = (deployed.run_deployment("nightly") for _ in range(3))
    Worker(store, "bee").claim()
    told = deployed.explain(third.id)
    assert told.summary.endswith("; 2 runs in line before it")
    assert told.reasons[0].command == "headgate concurrency-limit create ml 2"
    assert told.reasons[0].details == {"limit": "tag:ml", "slots": 1, "held": 1, "ahead": 2}
    assert deployed.get_flow_run(second.id).why == "tag ml is full (1/1), 1 run before it"


def test_the_limit_of_its_deployment_names_the_file_that_sets_it(deployed, store):
    store.limits.set(f"deployment:{deployed.get_deployment('nightly').id}", 2, "ada")
    start_one(deployed, store), start_one(deployed, store)
    run = deployed.run_deployment("nightly")
    (full, *_) = deployed.explain(run.id).reasons
    assert full.text.startswith("all 2 slots of deployment score/nightly are taken")
    assert full.command == "headgate deployment create /srv/flows/score.py"
