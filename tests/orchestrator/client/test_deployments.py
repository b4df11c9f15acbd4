"""The client's verbs on deployments."""

import math
from datetime import timedelta

import pytest

from orchestrator.errors import InvalidDeployment, InvalidParameters
from orchestrator.schedules import CronSchedule
from queues.clock import from_us
from tests.support.deployments import HOURLY, MINUTELY, Worker, spec

SCHEMA = {
    "parameters": [{"name": "date", "required": True}, {"name": "size", "required": False, "default": 3}],
    "accepts_extra": False,
}


def test_creating_says_what_was_done_and_what_comes(client, store):
    Worker(store, "ant")
    made = client.create_from_spec(spec(HOURLY, concurrency_limit=2))
    assert (made.status, made.name, made.revision, made.work_queue) == ("created", "score/nightly", 1, "default")
    assert (made.listening_agents, made.concurrency_limit, made.code_version) == (("ant",), 2, "c0ffee")
    first, second, third = made.next_scheduled_times
    assert second - first == third - second == timedelta(hours=1)
    assert client.create_from_spec(spec(HOURLY, concurrency_limit=2)).status == "unchanged"
    assert client.create_from_spec(spec(HOURLY, concurrency_limit=3)).changes == ("concurrency_limit",)


def test_the_next_instants_are_those_of_all_schedules_together(client):
    made = client.create_from_spec(spec(HOURLY, CronSchedule("30 * * * *", slug="half")))
    gaps = {
        later - sooner for sooner, later in zip(made.next_scheduled_times, made.next_scheduled_times[1:], strict=False)
    }
    assert gaps == {timedelta(minutes=30)}


def test_an_unknown_work_queue_is_refused_with_the_nearest_name_and_nothing_is_applied(client):
    client.create_work_queue("training")
    with pytest.raises(InvalidDeployment) as refused:
        client.create_from_specs([spec(), spec(name="other", work_queue="trainning")])
    assert refused.value.exit_code == 2
    assert "'training'" in refused.value.hint
    assert "headgate work-queue create trainning" in refused.value.hint
    assert client.list_deployments() == []


def test_create_queues_makes_what_is_missing(client):
    made = client.create_from_specs([spec(work_queue="gpu"), spec(name="b", work_queue="gpu")], create_queues=True)
    assert [one.work_queue_created for one in made] == [True, True]
    assert [queue.name for queue in client.list_work_queues()] == ["default", "gpu"]
    assert not client.create_from_spec(spec(work_queue="gpu"), create_queues=True).work_queue_created


def test_a_deployment_declared_twice_or_too_large_is_refused(client):
    with pytest.raises(InvalidDeployment, match="score/nightly is declared twice"):
        client.create_from_specs([spec(), spec()])
    with pytest.raises(InvalidDeployment, match="score/nightly and Score/nightly differ only by case"):
        client.create_from_specs([spec(flow="score"), spec(flow="Score")])
    client.create_from_spec(spec())
    with pytest.raises(InvalidDeployment, match=r"from score/nightly, which was created from /srv/flows/score\.py:12"):
        client.create_from_spec(spec(flow="Score"))
    with pytest.raises(InvalidDeployment, match="at most 256 KiB"):
        client.create_from_spec(spec(env={"X": "x" * 300_000}))


def test_deployments_are_listed_and_inspected(client):
    client.create_from_spec(spec(MINUTELY, tags=["ml"], parameters={"size": 1}))
    client.create_work_queue("gpu")
    client.create_from_spec(spec(name="other", work_queue="gpu"))
    assert [one.name for one in client.list_deployments()] == ["score/nightly", "score/other"]
    assert [one.name for one in client.list_deployments(work_queue="gpu")] == ["score/other"]
    shown = client.get_deployment("nightly").to_json()
    assert shown["parameters"] == {"size": 1}
    assert shown["schedules"][0]["text"] == "every minute"
    assert shown["changes"][0]["who"] == "ada@lab"
    assert shown["next_scheduled_time"].endswith("Z")


def test_delete_cancels_waiting_runs_and_lets_others_be(client, store):
    client.create_from_spec(spec(MINUTELY))
    running = client.run_deployment("nightly")
    Worker(store).start()
    waiting = client.run_deployment("nightly")
    later = client.run_deployment("nightly", at=from_us(store.scripts.now_us()) + timedelta(hours=1))
    assert client.delete_deployment("nightly").cancelled_runs == 2
    states = {run.id: run.state for run in client.list_flow_runs()}
    assert states == {running.id: "RUNNING", waiting.id: "CANCELLED", later.id: "CANCELLED"}
    assert client.list_deployments() == []


def test_a_run_has_the_deployment_s_parameters_with_those_given_on_top(client):
    client.create_from_spec(spec(parameters={"date": "2026-01-01", "size": 1}, schema=SCHEMA))
    assert client.get_flow_run(client.run_deployment("nightly").id).parameters == {"date": "2026-01-01", "size": 1}
    run = client.run_deployment("nightly", {"size": 9})
    assert client.get_flow_run(run.id).parameters == {"date": "2026-01-01", "size": 9}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "date: missing"),
        ({"date": 1, "sise": 2}, "sise"),
        ({"date": math.nan}, "date"),
        ({"date": "x" * 600_000}, "512 KiB"),
        ({"date": 2**70}, "64 bits"),
        ({"date": {1: 2}}, "text"),
        ({"date": object()}, "JSON"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_and_no_run_is_made(client, given, told):
    client.create_from_spec(spec(schema=SCHEMA))
    with pytest.raises(InvalidParameters) as refused:
        client.run_deployment("nightly", given)
    assert told in f"{refused.value} {refused.value.field}"
    assert client.list_flow_runs() == []


def test_parameters_nested_too_deep_are_refused(client):
    client.create_from_spec(spec())
    deep = []
    for _ in range(40):
        deep = [deep]
    with pytest.raises(InvalidParameters, match="32"):
        client.run_deployment("nightly", {"x": deep})


def test_a_request_sent_again_makes_one_run(client):
    client.create_from_spec(spec())
    runs = {client.run_deployment("nightly", request_id="r-1").id for _ in range(3)}
    assert len(runs) == 1
    assert len(client.list_flow_runs()) == 1


def test_a_run_in_the_future_waits_and_one_in_the_past_gets_no_better_place(client, store):
    client.create_from_spec(spec())
    now = from_us(store.scripts.now_us())
    assert client.run_deployment("nightly", at=now + timedelta(hours=1)).state == "SCHEDULED"
    past = client.run_deployment("nightly", at=now - timedelta(hours=1))
    assert (past.state, past.state_name) == ("QUEUED", "Queued")
    assert past.scheduled_start_time >= now


def test_waiting_runs_keep_the_revision_they_were_made_from(client, store):
    client.create_from_spec(spec(tags=["old"]))
    old = client.run_deployment("nightly")
    client.create_from_spec(spec(tags=["new"]))
    new = client.run_deployment("nightly")
    tags = [store.spec_of(store.records.get(run.id))["tags"] for run in (old, new)]
    assert tags == [["old"], ["new"]]
    assert [client.get_flow_run(run.id).revision for run in (old, new)] == [1, 2]
