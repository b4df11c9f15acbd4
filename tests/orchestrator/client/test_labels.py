"""Labels above floor 0: what a deployment or a run requires, who may take it, and what is said while nobody may."""

from __future__ import annotations

import re
from typing import Any

import pytest

from orchestrator import flow
from orchestrator.client.doctor.waiting import Lines, findings
from orchestrator.deployments import DeploymentSpec
from orchestrator.deployments.arguments import LABEL, MOST_LABELS
from orchestrator.errors import InvalidDeployment
from queues import keys
from tests.support.deployments import Worker, silence, spec

GPU = ("gpu",)


@flow
def score() -> None:
    """A flow to deploy."""


@pytest.fixture
def deployed(client: Any) -> Any:
    client.create_from_spec(spec(requires=["gpu"]))
    return client


def reason(client: Any, run: Any) -> Any:
    """The one reason why a run waits."""
    (found,) = client.explain(run.id).reasons
    return found


# ------------------------------------------------------------------ declaring
def test_what_a_spec_requires_is_recorded_only_where_it_requires_something() -> None:
    assert DeploymentSpec(flow=score, name="d", requires={"region=eu", "gpu"}).to_dict()["requires"] == [
        "gpu",
        "region=eu",
    ]
    assert "requires" not in DeploymentSpec(flow=score, name="d").to_dict(), "no deployment of before is changed by it"


@pytest.mark.parametrize("requires", ["gpu", [1], ["GPU"], ["a b"], [f"l{n}" for n in range(17)]])
def test_what_can_not_be_required_is_refused(requires: Any) -> None:
    with pytest.raises(InvalidDeployment, match="labels") as refused:
        DeploymentSpec(flow=score, name="d", requires=requires)
    assert refused.value.field == "requires"


def test_the_label_of_a_flow_file_is_that_of_the_queues() -> None:
    assert (LABEL.pattern, MOST_LABELS) == (keys.LABEL.pattern, keys.MOST_LABELS)


# ------------------------------------------------------------------ running
def test_a_run_requires_what_its_deployment_does_and_what_is_asked_for(deployed: Any, store: Any) -> None:
    run = deployed.run_deployment("nightly", requires=["region=eu"])
    assert deployed.get_flow_run(run.id).requires == ("gpu", "region=eu")
    assert Worker(store, "ant", labels=GPU).claim() == []
    assert [claim.run_id for claim in Worker(store, "bee", labels=("region=eu", "gpu")).claim()] == [run.id]
    assert deployed.get_deployment("nightly").requires == GPU


def test_a_retry_asks_for_the_same_again_and_takes_the_rest_from_the_deployment(deployed: Any, store: Any) -> None:
    run = deployed.run_deployment("nightly", requires=["region=eu"])
    deployed.cancel(run.id)
    deployed.create_from_spec(spec(requires=["tpu"]))
    again = deployed.retry(run.id)
    assert deployed.get_flow_run(again.id).requires == ("region=eu", "tpu")


def test_only_agents_with_the_labels_count_as_listening(client: Any, store: Any) -> None:
    Worker(store, "ant")
    Worker(store, "bee", labels=("gpu", "more"))
    assert client.create_from_spec(spec(requires=["gpu"])).listening_agents == ("bee",)
    assert client.create_from_spec(spec(requires=["tpu"])).listening_agents == ()
    (_, bee) = client.list_agents()
    assert bee.labels == ("gpu", "more")


# ------------------------------------------------------------------ explaining
def test_a_run_nobody_has_the_label_of_names_who_had_it_last(deployed: Any, store: Any) -> None:
    Worker(store, "w3", labels=GPU)
    run = deployed.run_deployment("nightly")
    silence(store, "w3", 300)
    Worker(store, "ant")
    found = reason(deployed, run)
    assert (found.code, found.brief) == ("no-labels", "needs an agent with label gpu")
    assert re.fullmatch(r"needs an agent with label gpu; none is alive \(w3 on \S+ had it, 5 min ago\)", found.text)
    assert found.command == "headgate agent start -q default --label gpu"
    assert deployed.get_flow_run(run.id).why == "needs an agent with label gpu"


def test_agents_that_listen_and_lack_it_are_named_with_what_they_have(deployed: Any, store: Any) -> None:
    run = deployed.run_deployment("nightly", requires=["region=eu"])
    Worker(store, "ant")
    Worker(store, "bee", labels=GPU)
    text = "needs an agent with labels gpu, region=eu; those that listen to default are ant (no label), bee (gpu)"
    assert reason(deployed, run).text == text


def test_an_agent_that_has_it_and_listens_elsewhere_is_named(deployed: Any, store: Any) -> None:
    run = deployed.run_deployment("nightly")
    deployed.create_work_queue("ml")
    Worker(store, "ant")
    Worker(store, "bee", queues=("ml",), labels=GPU)
    assert reason(deployed, run).text.endswith("; those that have it listen to other queues: bee")


def test_with_nobody_there_at_all_the_command_names_the_labels(deployed: Any) -> None:
    found = reason(deployed, deployed.run_deployment("nightly"))
    assert (found.code, found.command) == ("no-agent", "headgate agent start -q default --label gpu")


def test_a_run_whose_agents_are_there_is_explained_by_them_alone(deployed: Any, store: Any) -> None:
    run = deployed.run_deployment("nightly")
    Worker(store, "ant")
    Worker(store, "bee", labels=GPU)
    found = reason(deployed, run)
    assert found.code == "starting" and "bee" in found.text and "ant" not in found.text


# ------------------------------------------------------------------ the doctor
def test_the_doctor_names_a_line_that_nobody_serves_and_its_command(deployed: Any, store: Any) -> None:
    deployed.run_deployment("nightly")
    Worker(store, "ant")
    (found,) = findings(lines_of(deployed, store))
    assert (found.code, found.where) == ("unserved-labels", "work queue default")
    assert found.message == "1 run waits on it for an agent with label gpu, and no live agent that listens has that"
    assert found.remedy == "headgate agent start -q default --label gpu"
    Worker(store, "bee", labels=GPU)
    assert list(findings(lines_of(deployed, store))) == []


def lines_of(client: Any, store: Any) -> Lines:
    """What the doctor knows of what waits."""
    return Lines(
        now_us=store.scripts.now_us(),
        late_us=15_000_000,
        queues=store.queues.all(),
        agents=store.presence.all(),
        standing={"default": store.queues.lines("default")},
        limits={},
        deployments=[],
    )


def test_a_queue_with_runs_of_a_label_alone_is_not_deleted_and_can_be_cleared(client: Any, store: Any) -> None:
    client.create_work_queue("ml")
    client.create_from_spec(spec(work_queue="ml", requires=["gpu"]))
    client.run_deployment("nightly")
    client.create_from_spec(spec(requires=["gpu"]))
    with pytest.raises(Exception, match="ml"):
        client.delete_work_queue("ml")
    client.clear_work_queue("ml")
    client.delete_work_queue("ml")
    assert not [key for key in store.scripts.redis.scan_iter() if b"ml" in key.split(b":", 1)[1] and b"lines" in key]
