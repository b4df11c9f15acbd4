"""What a flow's process finds in its environment, and which interpreter it gets."""

from pathlib import Path

import pytest

from agent.errors import LaunchFailed, NotOnThisMachine
from agent.runners.environment import base_environment, environment, find_interpreter, problem_of
from tests.agent.scene import an_order

AGENTS = {
    "PATH": "/bin",
    "HOME": "/users/x",
    "LC_ALL": "C",
    "HEADGATE_REDIS_URL": "redis://:secret@h",
    "DB_PASSWORD": "secret",
    "PYTHONPATH": "/elsewhere",
    "LD_PRELOAD": "evil.so",
}


def found(**named: str | None) -> str | None:
    given = {"python": None, "virtualenv": None, "condaenv": None, **named}
    return find_interpreter(**given, folder="/flows", own={"PATH": "", "HOME": "/users/x"})


def test_flows_see_what_is_on_the_list_and_nothing_else_of_the_agents_environment() -> None:
    passed = {"PATH": "/bin", "HOME": "/users/x", "LC_ALL": "C"}
    assert base_environment(AGENTS) == {**passed, "PYTHONUNBUFFERED": "1"}


def test_the_deployment_wins_over_the_agent_and_the_marks_win_over_all() -> None:
    order = an_order(environment={"PATH": "/mine", "HEADGATE_RUN_ID": "forged"})
    made = environment({"PATH": "/bin", "TZ": "UTC"}, order, {"HEADGATE_RUN_ID": "r1"})
    assert made == {"PATH": "/mine", "TZ": "UTC", "HEADGATE_RUN_ID": "r1"}


def test_a_virtual_environment_is_activated(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").touch()
    order = an_order(interpreter=str(tmp_path / "bin" / "python"))
    made = environment({"PATH": "/bin"}, order, {})
    assert made == {"PATH": f"{tmp_path}/bin:/bin", "VIRTUAL_ENV": str(tmp_path)}


def test_interpreters_are_found_by_path_environment_or_not_at_all() -> None:
    assert found() is None
    assert found(python="/usr/bin/python3") == "/usr/bin/python3"
    assert found(python="./bin/py") == "/flows/bin/py"
    assert found(python="no-such-python") == "no-such-python"
    assert found(virtualenv=".venv") == "/flows/.venv/bin/python"
    assert found(virtualenv="/srv/venv") == "/srv/venv/bin/python"


def test_a_conda_environment_is_found_where_conda_keeps_them(tmp_path: Path) -> None:
    python = tmp_path / "envs" / "ml" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    own = {"CONDA_EXE": str(tmp_path / "bin" / "conda"), "HOME": "/users/x"}
    assert find_interpreter(python=None, virtualenv=None, condaenv="ml", folder="/f", own=own) == str(python)
    assert find_interpreter(python=None, virtualenv=None, condaenv="/x/e", folder="/f", own=own) == "/x/e/bin/python"


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"path": "/nowhere/flow.py"}, NotOnThisMachine, "h1 has no /nowhere/flow.py"),
        ({"working_dir": "/nowhere"}, LaunchFailed, "working directory /nowhere on h1"),
        ({"interpreter": "/nowhere/python"}, LaunchFailed, "/nowhere/python on h1"),
        ({}, type(None), "None"),
    ],
)
def test_what_is_missing_here_is_named_with_host_and_path(changes: dict[str, str], kind: type, said: str) -> None:
    problem = problem_of(an_order(**{"path": __file__, "working_dir": "/", **changes}), "h1")
    assert isinstance(problem, kind) and said in str(problem)
