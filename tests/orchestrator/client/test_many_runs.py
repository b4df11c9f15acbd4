"""The client's verbs on many runs at once: which are chosen, and what becomes of each."""

from datetime import timedelta

import pytest

from orchestrator.client import selection
from orchestrator.errors import Invalid, NotFound, RefusedByState
from orchestrator.store import LogRecord, TaskRecord
from queues.clock import from_us
from tests.support.deployments import Worker, spec


@pytest.fixture
def deployed(client):
    client.create_from_spec(spec(tags=["ml"]))
    return client


@pytest.fixture
def worker(deployed, store):
    return Worker(store, "ant")


def failed(client, worker, count, deployment="nightly"):
    """Ids of runs that failed, oldest first."""
    runs = [client.run_deployment(deployment, {"a": number}).id for number in range(count)]
    assert [worker.run_one(state="FAILED") for _ in runs] == runs
    return runs


def outcomes(steps):
    return {one.id: one.outcome for step in steps for one in step}


def now(store):
    return from_us(store.scripts.now_us())


def test_lists_are_filtered_by_flow_tag_time_and_exception(deployed, store):
    deployed.create_from_spec(spec(name="other", flow="load"))
    first, second = deployed.run_deployment("nightly"), deployed.run_deployment("load/other")
    store.travel(60_000_000)
    third = deployed.run_deployment("nightly")

    def found(**which):
        return [run.id for run in deployed.list_flow_runs(**which)]

    assert found(flow="load") == [second.id] and found(tag="ml") == [third.id, first.id]
    assert found(since=now(store) - timedelta(seconds=30)) == [third.id]
    assert found(until=now(store) - timedelta(seconds=30)) == [second.id, first.id]
    assert found(excluding=[third.name, first.id[:13]]) == [second.id] and found(excluding=[third.id], limit=1) == [
        second.id
    ]
    with pytest.raises(NotFound):
        found(excluding=["no-such-run"])


def test_since_is_about_the_end_of_runs_when_only_ended_ones_are_asked_for(deployed, worker, store):
    run = deployed.run_deployment("nightly")
    claim = worker.start()
    store.travel(60_000_000)
    worker.finish(claim, "FAILED")
    a_while_ago = now(store) - timedelta(seconds=30)
    assert deployed.list_flow_runs(since=a_while_ago) == []
    assert [one.id for one in deployed.list_flow_runs(states=["FAILED", "CRASHED"], since=a_while_ago)] == [run.id]


def test_runs_of_earlier_revisions_and_of_deleted_deployments_are_found_by_tag_queue_and_flow(deployed, store):
    first = deployed.run_deployment("nightly")
    deployed.create_work_queue("gpu")
    deployed.create_from_spec(spec(tags=["new"], work_queue="gpu"))
    second = deployed.run_deployment("nightly")
    deployed.create_from_spec(spec(name="other", flow="load"))
    deployed.delete_deployment("nightly")

    def found(**which):
        return [run.id for run in deployed.list_flow_runs(**which)]

    assert found(tag="ml") == found(work_queue="default", flow="score") == [first.id]
    assert found(tag="new") == found(work_queue="gpu") == [second.id]
    assert (
        found(flow="score") == [second.id, first.id] and found(tag="ml", work_queue="gpu") == found(flow="load") == []
    )
    assert deployed.cancellable(tag="ml").ids == deployed.cancellable(tag="new").ids == ()


def test_a_list_of_a_tag_that_no_deployment_has_looks_at_no_run(deployed, store):
    deployed.run_deployment("nightly")
    assert selection.filter_of(store, {"tag": "none"}).among == selection.filter_of(store, {"flow": "none"}).among == ()
    assert deployed.list_flow_runs(tag="none") == deployed.list_flow_runs(flow="none", states=["FAILED"]) == []


def test_with_very_many_deployments_of_a_queue_all_runs_are_looked_at(deployed, monkeypatch):
    monkeypatch.setattr(selection, "FEW", 0)
    run = deployed.run_deployment("nightly")
    assert [one.id for one in deployed.list_flow_runs(tag="ml", work_queue="default")] == [run.id]


def test_runs_of_a_deleted_deployment_are_still_found_by_its_name(deployed, worker):
    (run,) = failed(deployed, worker, 1)
    deployed.delete_deployment("nightly")
    assert deployed.deletable(deployment="score/nightly").ids == (run,)
    with pytest.raises(NotFound):
        deployed.deletable(deployment="score/never")


def test_what_waits_is_cancelled_before_what_runs_so_that_nothing_starts_meanwhile(deployed, worker):
    runs = [deployed.run_deployment("nightly") for _ in range(3)]
    worker.start()
    chosen = deployed.cancellable(deployment="nightly")
    assert chosen.ids == (runs[1].id, runs[2].id, runs[0].id)
    assert outcomes(deployed.cancel_many(chosen.ids)) == dict.fromkeys(chosen.ids, "done")
    assert [deployed.get_flow_run(run.id).state for run in runs] == ["CANCELLING", "CANCELLED", "CANCELLED"]
    assert outcomes(deployed.cancel_many(chosen.ids)) == dict.fromkeys(chosen.ids, "unchanged")


def test_runs_that_were_chosen_by_their_state_and_left_it_go_on(deployed, worker):
    runs = [deployed.run_deployment("nightly").id for _ in range(3)]
    chosen = deployed.cancellable(deployment="nightly", states=["queued"])
    worker.start()
    for again in ("done", "unchanged"):
        ((first, *rest),) = deployed.cancel_many(chosen.ids, states=chosen.states)
        assert (first.outcome, first.state) == ("refused", "RUNNING")
        assert first.message.endswith(": it is not QUEUED any more")
        assert [one.outcome for one in rest] == [again, again]
    assert [deployed.get_flow_run(run).state for run in runs] == ["RUNNING", "CANCELLED", "CANCELLED"]


def test_each_of_many_runs_says_why_it_is_refused(deployed, worker):
    (ended,) = failed(deployed, worker, 1)
    waiting = deployed.run_deployment("nightly")
    ((one, two),) = deployed.delete_many([ended, waiting.id])
    assert (one.outcome, one.state, two.outcome, two.state) == ("done", None, "refused", "QUEUED")
    assert (two.name, two.message.partition(" since ")[0]) == (waiting.name, "it is QUEUED")
    ((one, two),) = deployed.cancel_many([ended, waiting.id])
    assert (one.outcome, one.message, two.state) == ("refused", "there is no such run any more", "CANCELLED")


def test_everything_that_failed_is_run_again_once_however_often_that_is_asked_for(deployed, worker):
    runs = failed(deployed, worker, 3)
    chosen = deployed.retryable(deployment="nightly", excluding=[runs[0]])
    assert chosen.ids == tuple(runs[1:])
    steps = list(deployed.retry_many(chosen.ids))
    assert outcomes(steps) == {runs[1]: "done", runs[2]: "done"}
    again = deployed.get_flow_run(steps[0][0].new_id)
    assert (again.retry_of, again.parameters, again.state) == (runs[1], {"a": 1}, "QUEUED")
    assert outcomes(deployed.retry_many(runs[1:])) == {runs[1]: "unchanged", runs[2]: "unchanged"}
    chosen = deployed.retryable(deployment="nightly")
    assert (chosen.ids, chosen.left_out) == ((runs[0],), 2)


def test_a_run_that_is_named_is_retried_as_often_as_it_is_named(deployed, worker):
    (run,) = failed(deployed, worker, 1)
    assert len({deployed.retry(run).id for _ in range(3)}) == 3
    assert deployed.retryable(deployment="nightly").ids == ()


def test_runs_that_can_not_be_retried_do_not_stop_the_others(deployed, worker, store, redis):
    deployed.create_from_spec(spec(name="gone"))
    deployed.create_from_spec(spec(name="lost", work_queue="ml"), create_queues=True)
    good, gone = failed(deployed, worker, 1), failed(deployed, worker, 1, "gone")
    lost = failed(deployed, Worker(store, "bee", queues=("ml",)), 1, "lost")
    going = deployed.run_deployment("nightly").id
    deployed.delete_deployment("gone")
    redis.srem(store.keys.queues, "ml")
    (step,) = deployed.retry_many([*good, *gone, *lost, going])
    assert [one.outcome for one in step] == ["done", "refused", "refused", "refused"]
    assert "was deleted" in step[1].message and "no work queue 'ml'" in step[2].message and "QUEUED" in step[3].message


def test_states_that_do_not_go_with_a_verb_are_refused(deployed):
    for choose, state in ((deployed.cancellable, "FAILED"), (deployed.retryable, "RUNNING"), (deployed.deletable, "x")):
        with pytest.raises(Invalid, match="expected a state to be one of"):
            choose(states=[state])


def test_a_deleted_run_is_gone_with_everything(deployed, worker, store, redis):
    run = deployed.run_deployment("nightly", {"a": 1})
    claim = worker.start()
    with pytest.raises(RefusedByState, match=f"{run.name} is RUNNING since"):
        deployed.delete(run.id)
    store.logs.append(run.id, claim.token, claim.attempt, 1, [LogRecord(1, 1, 20, "hello")])
    store.tasks.record(run.id, [TaskRecord(id="t-1", name="t", attempt=1, state="COMPLETED")])
    worker.finish(claim, "FAILED", data={"error": b"x"})
    assert deployed.delete(run.name).state == "FAILED"
    with pytest.raises(NotFound):
        deployed.delete(run.id)
    assert not [key for key in redis.scan_iter() if run.id.encode() in key] and store.logs.total() == 0
    (change,) = (one for one in deployed.get_deployment("nightly").changes if one.what == "runs deleted")
    assert (change.who, change.new) == ("ada@lab", "1")
