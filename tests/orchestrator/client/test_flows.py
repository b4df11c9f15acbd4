"""The client's verbs on flows."""

from datetime import timedelta

import pytest

from orchestrator.errors import NotFound
from queues.clock import from_us
from tests.support.deployments import HOURLY, Worker, spec

SCHEMA = {
    "parameters": [
        {"name": "date", "required": True, "type": "str"},
        {"name": "size", "required": False, "type": "int", "default": 3},
        {"name": "when", "required": False, "default_repr": "<object>"},
    ],
    "accepts_extra": False,
}


@pytest.fixture
def deployed(client):
    """Three deployments of two flows."""
    client.create_work_queue("gpu")
    client.create_from_specs(
        [
            spec(HOURLY),
            spec(name="by-hand", work_queue="gpu", schema=SCHEMA, path="/srv/new/score.py", description="It scores."),
            spec(flow="train"),
        ]
    )
    return client


def test_flows_are_listed_by_name_with_their_deployments_and_newest_run(deployed, store):
    first = deployed.run_deployment("score/nightly")
    Worker(store).run_one()
    score, train = deployed.list_flows()
    assert (score.name, score.deployments) == ("score", ("score/by-hand", "score/nightly"))
    assert (score.work_queues, score.paths) == (("gpu", "default"), ("/srv/new/score.py", "/srv/flows/score.py"))
    assert (score.last_run_id, score.last_run_state) == (first.id, "Completed")
    assert score.next_scheduled_time is not None and train.next_scheduled_time is None
    assert (train.last_run_id, train.last_run_state, train.last_run_time) == (None, None, None)


def test_the_last_run_of_a_flow_is_one_that_was_due(deployed, store):
    tomorrow = from_us(store.scripts.now_us()) + timedelta(days=1)
    later = deployed.run_deployment("score/nightly", at=tomorrow)
    assert deployed.list_flows()[0].last_run_id == deployed.get_flow("score").last_run_id == later.id
    due = deployed.run_deployment("score/nightly")
    deployed.run_deployment("score/nightly", at=tomorrow)
    assert deployed.list_flows()[0].last_run_id == deployed.get_flow("score").last_run_id == due.id


def test_a_flow_is_shown_with_its_code_parameters_deployments_and_last_runs(deployed):
    runs = [deployed.run_deployment(name, {"date": "x"}) for name in ("score/nightly", "by-hand") for _ in range(6)]
    flow = deployed.get_flow("score")
    assert (flow.path, flow.function, flow.description) == ("/srv/new/score.py", "score", "It scores.")
    assert [(one.name, one.type, one.required, one.default) for one in flow.parameters] == [
        ("date", "str", True, None),
        ("size", "int", False, 3),
        ("when", "any", False, "<object>"),
    ]
    assert [(one.name, one.schedule) for one in flow.deployment_details] == [
        ("score/by-hand", None),
        ("score/nightly", "every hour"),
    ]
    assert [run.id for run in flow.recent_runs] == [run.id for run in reversed(runs[2:])]
    assert flow.last_run_id == runs[-1].id


def test_an_unknown_flow_names_the_nearest(deployed):
    with pytest.raises(NotFound, match="there is no flow 'scoer'") as unknown:
        deployed.get_flow("scoer")
    assert "score" in unknown.value.hint


def test_without_deployments_there_are_no_flows(client):
    assert client.list_flows() == []
