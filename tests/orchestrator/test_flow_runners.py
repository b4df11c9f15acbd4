"""SubprocessFlowRunner: checked when written down, and costing a flow's process nothing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InvalidDeployment
from orchestrator.flow_runners import ResourceLimits, SubprocessFlowRunner


def test_it_records_its_fields_with_paths_expanded() -> None:
    runner = SubprocessFlowRunner(env={"A": "1"}, virtualenv=Path("~/venv"), working_dir="/data")
    home = os.path.expanduser("~/venv")
    assert runner.to_dict() == {
        "env": {"A": "1"},
        "virtualenv": home,
        "condaenv": None,
        "python": None,
        "working_dir": "/data",
    }
    assert repr(runner) == f"SubprocessFlowRunner(env={{'A': '1'}}, virtualenv={home!r}, working_dir='/data')"
    assert SubprocessFlowRunner() == SubprocessFlowRunner()


def test_warm_is_recorded_only_where_it_is_asked_for() -> None:
    assert "warm" not in SubprocessFlowRunner(warm=False).to_dict()
    assert SubprocessFlowRunner(warm=True).to_dict()["warm"] is True
    assert repr(SubprocessFlowRunner(warm=True)) == "SubprocessFlowRunner(warm=True)"


def test_requirements_are_recorded_only_where_there_are_some() -> None:
    assert "requirements" not in SubprocessFlowRunner(requirements=[]).to_dict()
    assert SubprocessFlowRunner(requirements=("a", "b"), python="p").to_dict()["requirements"] == ["a", "b"]
    assert repr(SubprocessFlowRunner(requirements=Path("r.txt"))) == "SubprocessFlowRunner(requirements='r.txt')"


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"warm": "yes"}, "warm", "warm to be True or False"),
        ({"virtualenv": "a", "python": "b"}, "python", "one of virtualenv, condaenv and python"),
        ({"env": ["A=1"]}, "env", "a dict of texts"),
        ({"env": {"A": 1}}, "env.A", "flow_runner.env.A to be text"),
        ({"env": {"A=B": "1"}}, "env", "the name of a variable"),
        ({"env": {"": "1"}}, "env", "the name of a variable"),
        ({"env": {"A": "x" * 100_000}}, "env.A", "at most 65536 bytes"),
        ({"env": {"LD_PRELOAD": "x.so"}}, "env.LD_PRELOAD", "changes how the interpreter itself starts"),
        ({"env": {"PYTHONPATH": "/x"}}, "env.PYTHONPATH", "changes how the interpreter itself starts"),
        ({"env": {"HEADGATE_REDIS_URL": "x"}}, "env.HEADGATE_REDIS_URL", "Headgate's own"),
        ({"env": {"PYTHONUSERBASE": "/x"}}, "env.PYTHONUSERBASE", "changes how the interpreter itself starts"),
        ({"env": {"A": "\udc80"}}, "env.A", "A to be text"),
        ({"env": {f"A{n}": "x" * 60_000 for n in range(5)}}, "env", "at most 262144 bytes of variables in all"),
        ({"limits": {"memory": 1}}, "limits", "limits to be ResourceLimits"),
        ({"python": ""}, "python", "to be a path"),
        ({"working_dir": 3}, "working_dir", "to be a path"),
        ({"requirements": 3}, "requirements", "a list of texts or a file"),
        ({"requirements": ["a", 1]}, "requirements", "a list of texts or a file"),
        ({"requirements": ""}, "requirements", "to be a path"),
        ({"requirements": ["a"], "virtualenv": "v"}, "requirements", "do not go together with virtualenv"),
        ({"requirements": ["a"], "condaenv": "v"}, "requirements", "do not go together with condaenv"),
    ],
)
def test_what_can_not_work_is_refused_by_field(fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(InvalidDeployment, match=message) as caught:
        SubprocessFlowRunner(**fields)
    assert caught.value.field == f"flow_runner.{field}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ({"memory": "2 GiB"}, {"memory_bytes": 2 << 30}),
        ({"memory": "1.5GiB"}, {"memory_bytes": 3 << 29}),
        ({"memory": "500 MB"}, {"memory_bytes": 500_000_000}),
        ({"memory": 64 << 20}, {"memory_bytes": 64 << 20}),
        ({"cpu_seconds": 1.5, "processes": 3}, {"cpu_seconds": 1.5, "processes": 3}),
        ({"open_files": 256, "nice": 0}, {"open_files": 256, "nice": 0}),
        ({}, {}),
    ],
)
def test_limits_are_recorded_as_numbers_and_only_those_given(given: dict[str, Any], recorded: dict[str, Any]) -> None:
    limits = ResourceLimits(**given)
    assert limits.to_dict() == recorded
    made = SubprocessFlowRunner(limits=limits).to_dict()
    assert made.get("limits", {}) == recorded and ("limits" in made) == bool(recorded)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"memory": "much"}, "limits.memory"),
        ({"memory": "2 G"}, "limits.memory"),
        ({"memory": "-1 GiB"}, "limits.memory"),
        ({"memory": 2.5}, "limits.memory"),
        ({"memory": "1 MiB"}, "limits.memory"),
        ({"cpu_seconds": 0}, "limits.cpu_seconds"),
        ({"cpu_seconds": float("nan")}, "limits.cpu_seconds"),
        ({"processes": 2.5}, "limits.processes"),
        ({"processes": True}, "limits.processes"),
        ({"open_files": 8}, "limits.open_files"),
        ({"nice": -1}, "limits.nice"),
    ],
)
def test_limits_that_can_not_be_kept_are_refused_by_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidDeployment, match="expected") as caught:
        ResourceLimits(**given)
    assert caught.value.field == f"flow_runner.{field}" and caught.value.hint


def test_naming_a_runner_in_a_flows_file_loads_nothing() -> None:
    code = "import orchestrator, sys; before = set(sys.modules); from orchestrator.flow_runners import *\n"
    code += "SubprocessFlowRunner(env={'A': '1'}, limits=ResourceLimits(memory='2 GiB'))\n"
    code += "print(sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "['orchestrator.flow_runners']\n"
