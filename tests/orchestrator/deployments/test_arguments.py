"""Arguments of a DeploymentSpec: each refusal names the argument, what is allowed, what was found, what to do."""

import math
from datetime import timedelta
from typing import Any

import pytest

from orchestrator import flow, task
from orchestrator.deployments import DeploymentSpec
from orchestrator.errors import InvalidDeployment, InvalidParameters
from orchestrator.flow_runners import SubprocessFlowRunner
from orchestrator.schedules import CronSchedule


@flow(retries=2, retry_delay_seconds=0, timeout_seconds=60, tags=["ml"])
def main(n: int = 1, path: str = "x") -> None:
    """Trains."""


@flow
def needs(n: int, *, day: str = "monday") -> None: ...


@task
def step() -> None: ...


def plain() -> None: ...


def refusal(**arguments: Any) -> InvalidDeployment:
    """The error of a spec with these arguments."""
    with pytest.raises(InvalidDeployment) as caught:
        DeploymentSpec(**{"flow": main, "name": "d", **arguments})
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    "name", [None, "", "Model", "a b", "../x", "a{b}c", "*", "x" * 129, "🚕", "a\0", "-a", "a/b", 5, "ａ"]
)
@pytest.mark.parametrize("field", ["name", "work_queue"])
def test_a_name_has_one_pattern(field: str, name: object) -> None:
    error = refusal(**{field: name})
    assert error.field == field
    assert "to be 1 to 128 of a-z 0-9 . _ - that begin with a letter or digit, got" in error.message


def test_a_name_that_nearly_fits_is_told_one_that_does() -> None:
    assert refusal(name="Model Training").hint == "'model-training' would do"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("flow_storage", "source= says how the code comes"),
        ("storage", "source= says how the code comes"),
        ("infrastructure", "flow_runner=SubprocessFlowRunner"),
        ("work_pool_name", "work_queue="),
        ("work_queue_name", "work_queue="),
        ("entrypoint", "flow_location="),
        ("version", "recorded by itself"),
        ("cron", "schedule=CronSchedule"),
        ("tagz", "did you mean 'tags'?"),
        ("schedul", "did you mean 'schedule'?"),
        ("concurency_limit", "did you mean 'concurrency_limit'?"),
        ("xyzzy", "arguments are flow, name,"),
    ],
)
def test_an_argument_that_there_is_not_is_told_what_to_use_instead(argument: str, said: str) -> None:
    error = refusal(**{argument: 1})
    assert error.message == f"DeploymentSpec has no argument {argument!r}"
    assert said in str(error.hint)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (plain, "put @flow above `def plain`"),
        (step, "a task runs inside a flow"),
        ("main", "flow_location='file.py'"),
        (3.5, "leave out the parentheses"),
        (DeploymentSpec, "put @flow above"),
    ],
)
def test_what_is_no_flow_is_told_why(given: object, hint: str) -> None:
    error = refusal(flow=given)
    assert "expected flow to be a function under @flow, got" in error.message
    assert hint in str(error.hint)


def test_a_flow_comes_from_exactly_one_place() -> None:
    assert "got both" in refusal(flow_location="a.py").message
    assert "got neither" in refusal(flow=None).message


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"concurrency_limit": -1}, "concurrency_limit"),
        ({"concurrency_limit": "2"}, "concurrency_limit"),
        ({"concurrency_limit": True}, "concurrency_limit"),
        ({"concurrency_limit": 10_001}, "concurrency_limit"),
        ({"retries": 10**9}, "retries"),
        ({"retries": -1}, "retries"),
        ({"retries": 1.0}, "retries"),
        ({"retry_delay_seconds": 0}, "retry_delay_seconds"),
        ({"retry_delay_seconds": 0.05}, "retry_delay_seconds"),
        ({"retry_delay_seconds": [1, 2]}, "retry_delay_seconds"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": -1}, "timeout_seconds"),
        ({"timeout_seconds": "1h30"}, "timeout_seconds"),
        ({"timeout_seconds": "PT1H"}, "timeout_seconds"),
        ({"timeout_seconds": math.inf}, "timeout_seconds"),
        ({"timeout_seconds": timedelta(days=365)}, "timeout_seconds"),
        ({"on_lost": "retry"}, "on_lost"),
        ({"max_lost": 0}, "max_lost"),
        ({"max_lost": None}, "max_lost"),
        ({"max_waiting": 0}, "max_waiting"),
        ({"tags": "ml"}, "tags"),
        ({"tags": ["a b"]}, "tags[0]"),
        ({"tags": ["ml", 1]}, "tags[1]"),
        ({"tags": ["a"] * 51}, "tags"),
        ({"schedule": "0 9 * * *"}, "schedule"),
        ({"schedule": CronSchedule("@daily"), "schedules": []}, "schedule"),
        ({"schedules": CronSchedule("@daily")}, "schedules"),
        ({"schedules": ["@daily"]}, "schedules[0]"),
        ({"flow_runner": "subprocess"}, "flow_runner"),
        ({"parameters": []}, "parameters"),
        ({"description": 5}, "description"),
        ({"flow": None, "flow_location": 5}, "flow_location"),
    ],
)
def test_a_value_out_of_range_or_of_another_type_is_refused_by_field(arguments: dict[str, Any], field: str) -> None:
    error = refusal(**arguments)
    assert error.field == field
    assert error.message.startswith("expected ")


def test_a_limit_of_zero_is_told_to_pause_instead() -> None:
    assert "deployment pause" in str(refusal(concurrency_limit=0).hint)


def test_a_timeout_is_told_its_forms() -> None:
    assert "as in 90 or timedelta(hours=1, minutes=30)" in refusal(timeout_seconds="1h30").message


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "HEADGATE_HOME", "a=b", "a\0"])
def test_variables_that_change_the_interpreter_are_refused(name: str) -> None:
    with pytest.raises(InvalidDeployment):
        SubprocessFlowRunner(env={name: "x"})


def test_the_record_has_everything_and_the_flow_fills_in_what_is_not_given() -> None:
    spec = DeploymentSpec(flow=main, name="d", parameters={"n": 2}, tags=("nightly", "ml"), concurrency_limit=3)
    made = spec.to_dict()
    assert (made["flow"], made["function"], made["path"]) == ("main", "main", __file__)
    assert made["tags"] == ["ml", "nightly"]
    assert (made["retries"], made["retry_delay_seconds"], made["timeout_seconds"]) == (2, 0.1, 60)
    assert (made["on_lost"], made["max_lost"], made["max_waiting"]) == ("rerun", 3, None)
    assert made["description"] == "Trains."
    assert len(made["code_version"]) == 16


def test_a_deployment_overrides_the_tries_of_its_flow() -> None:
    made = DeploymentSpec(flow=main, name="d", retries=0, timeout_seconds=timedelta(hours=1)).to_dict()
    assert (made["retries"], made["timeout_seconds"]) == (0, 3600)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"n": "many"}, "parameter n: expected int"),
        ({"m": 1}, "parameter m: unknown, the flow takes n, path"),
        ({"n": math.nan}, "parameters.n can not be written as JSON"),
        ({"path": object()}, "parameters.path is no JSON value"),
        ({"n": 1 << 65}, "whole number of at most 64 bits"),
        ({"path": "x" * 600_000}, "at most 512 KiB"),
        ({"path": {1: "x"}}, "the keys in parameters.path to be text, got 1"),
        ({1: "x"}, "the name of a parameter to be text"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_at_deploy(parameters: dict[Any, Any], said: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        DeploymentSpec(flow=main, name="d", parameters=parameters).to_dict()
    assert said in caught.value.message


def nested(depth: int) -> list[Any]:
    """A list in a list in a list …"""
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def test_parameters_that_are_too_deep_or_endless_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in (nested(40), nested(5_000), endless):
        with pytest.raises(InvalidParameters, match=r"deep|itself|JSON"):
            DeploymentSpec(flow=main, name="d", parameters={"path": value}).to_dict()


def test_a_required_parameter_must_be_given_when_a_schedule_starts_the_runs() -> None:
    daily = CronSchedule("@daily")
    with pytest.raises(InvalidParameters, match="parameter n: missing") as caught:
        DeploymentSpec(flow=needs, name="d", schedule=daily).to_dict()
    assert "its schedule starts runs" in str(caught.value.hint)
    assert DeploymentSpec(flow=needs, name="d").to_dict()["parameters"] == {}
    assert DeploymentSpec(flow=needs, name="d", schedule=daily, parameters={"n": 1}).to_dict()["parameters"] == {"n": 1}


def test_dates_paths_and_sets_become_their_usual_text() -> None:
    from datetime import date
    from pathlib import Path

    made = DeploymentSpec(flow=main, name="d", parameters={"path": date(2026, 3, 1)}).to_dict()
    assert made["parameters"] == {"path": "2026-03-01"}
    assert DeploymentSpec(flow=main, name="d", parameters={"path": Path("/x")}).to_dict()["parameters"] == {
        "path": "/x"
    }
