"""SubprocessFlowRunner: checked when written down, and costing a flow's process nothing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import InvalidDeployment
from orchestrator.flow_runners import SubprocessFlowRunner


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


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"warm": True}, "warm", "warm=True is not available in this version"),
        ({"virtualenv": "a", "python": "b"}, "python", "one of virtualenv, condaenv and python"),
        ({"env": ["A=1"]}, "env", "a dict of texts"),
        ({"env": {"A": 1}}, "env.A", "A to be text"),
        ({"env": {"A=B": "1"}}, "env", "a name in flow_runner.env"),
        ({"env": {"": "1"}}, "env", "a name in flow_runner.env"),
        ({"env": {"A": "x" * 100_000}}, "env.A", "at most 65536 characters"),
        ({"env": {"LD_PRELOAD": "x.so"}}, "env.LD_PRELOAD", "changes how the interpreter itself starts"),
        ({"env": {"PYTHONPATH": "/x"}}, "env.PYTHONPATH", "changes how the interpreter itself starts"),
        ({"env": {"HEADGATE_REDIS_URL": "x"}}, "env.HEADGATE_REDIS_URL", "Headgate's own"),
        ({"python": ""}, "python", "to be a path"),
        ({"working_dir": 3}, "working_dir", "to be a path"),
    ],
)
def test_what_can_not_work_is_refused_by_field(fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(InvalidDeployment, match=message) as caught:
        SubprocessFlowRunner(**fields)
    assert caught.value.field == f"flow_runner.{field}"
    assert caught.value.hint


def test_naming_a_runner_in_a_flows_file_loads_nothing() -> None:
    code = "import orchestrator, sys; before = set(sys.modules); from orchestrator.flow_runners import *\n"
    code += "SubprocessFlowRunner(env={'A': '1'})\nprint(sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "['orchestrator.flow_runners']\n"
