"""Flows in an interpreter where Headgate is not installed: our SDK is there, and nothing else of ours is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.environments.stand_in import SDK_VARIABLE, put_into
from agent.runners.bootstrap import FOLDER, command
from tests.support.environments import add_package, bare_environment, site_packages
from tests.support.flow_process import run_flow, write_flow

NAMES = ("agent", "queues", "redis", "click", "headgate", "rq", "tests")
EVERYTHING = """
import sys
from datetime import timedelta
from orchestrator.deployments import DeploymentSpec
from orchestrator.flow_runners import SubprocessFlowRunner
from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
NIGHTLY = CronSchedule("0 3 * * *", timezone="Europe/Paris")
@task(retries=1, retry_delay_seconds=1)
def double(n): return 2 * n
@flow
def main(n: int, names: list[str] | None = None):
    get_run_logger().info("at work")
    return {"sum": double(double(n)).result(), "names": names, "path": sys.path, "main": sys.executable}
DeploymentSpec(flow=main, name="d", schedules=[NIGHTLY, IntervalSchedule(timedelta(hours=1), slug="b")],
               flow_runner=SubprocessFlowRunner(requirements=["pandas==2.2.3"]))
"""


def beside(name: str) -> list[Path]:
    """Other interpreters, where several stand side by side."""
    return sorted(Path(sys.base_prefix).parent.glob(f"*/bin/{name}"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with nothing in it."""
    return bare_environment(tmp_path_factory.mktemp("bare") / "environment")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of an environment for this test alone."""
    return bare_environment(tmp_path / "environment")


def test_everything_of_the_sdk_works_where_headgate_is_not_installed(bare: Path, tmp_path: Path) -> None:
    path = write_flow(tmp_path, EVERYTHING)
    result, child = run_flow(path, python=str(bare), parameters={"n": "3", "names": ["a"]})
    assert result["state"] == "COMPLETED", (result, child.errors())
    value = json.loads(result["value"])
    assert (value["sum"], value["names"], value["main"]) == (12, ["a"], str(bare))
    assert child.said() == ["at work"]


def test_nothing_of_ours_is_on_sys_path(bare: Path, tmp_path: Path) -> None:
    body = "import importlib.util as u, sys\n@flow\ndef main():\n"
    body += f"    return [sys.path, [n for n in {NAMES!r} if u.find_spec(n)]]\n"
    result, _ = run_flow(write_flow(tmp_path, body), python=str(bare))
    path, found = json.loads(result["value"])
    ours = str(Path(FOLDER).parent)
    assert found == [] and path[0] == str(tmp_path) and path[-1] == str(site_packages(bare.parents[1]))
    assert not [entry for entry in path if entry == "" or entry.startswith(ours) or "site-packages" in entry][1:]


def test_a_package_of_the_environment_is_what_the_flow_sees_whatever_its_name(python: Path, tmp_path: Path) -> None:
    for name in NAMES:
        add_package(python.parents[1], name, "WHOSE = 'the environment'\n")
    body = f"import importlib\n@flow\ndef main(): return {{importlib.import_module(n).WHOSE for n in {NAMES!r}}}\n"
    result, child = run_flow(write_flow(tmp_path, body), python=str(python))
    assert result["value"] == b'["the environment"]', (result, child.errors())


@pytest.mark.parametrize("loaded_before", [False, True])
def test_our_sdk_wins_over_another_package_of_its_name(python: Path, tmp_path: Path, loaded_before: bool) -> None:
    add_package(python.parents[1], "orchestrator", "WHOSE = 'the environment'\n")
    add_package(python.parents[1], "late.pth", "import orchestrator\n" if loaded_before else "")
    body = "import orchestrator, os, sys\n@flow\ndef main(): return os.path.dirname(orchestrator.__file__)\n"
    result, child = run_flow(write_flow(tmp_path, body), python=str(python))
    assert json.loads(result["value"]) == FOLDER, (result, child.errors())


def test_hints_of_pydantic_are_understood_where_the_environment_has_it(python: Path, tmp_path: Path) -> None:
    body = "import pydantic\nclass Point(pydantic.BaseModel):\n    x: int\n@flow\ndef main(p: Point): return p.x\n"
    path = write_flow(tmp_path, body)
    result, _ = run_flow(path, python=str(python), parameters={"p": {"x": "4"}})
    assert result["state"] == "FAILED" and "No module named 'pydantic'" in result["message"]
    import pydantic

    libraries = Path(pydantic.__file__).parents[1]
    for name in ("pydantic", "pydantic_core", "annotated_types", "typing_extensions.py", "typing_inspection"):
        (site_packages(python.parents[1]) / name).symlink_to(libraries / name)
    result, child = run_flow(path, python=str(python), parameters={"p": {"x": "4"}})
    assert result["value"] == b"4", (result, child.errors())


def test_files_beside_the_flow_come_before_the_environment(python: Path, tmp_path: Path) -> None:
    add_package(python.parents[1], "prices", "WHOSE = 'the environment'\n")
    (tmp_path / "prices.py").write_text("WHOSE = 'the flow'\n")
    result, _ = run_flow(
        write_flow(tmp_path, "import prices\n@flow\ndef main(): return prices.WHOSE\n"), python=str(python)
    )
    assert result["value"] == b'"the flow"'


def test_the_folder_that_the_agent_was_started_in_is_not_looked_into(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong one')\n")
    words = command(str(bare), ())
    words[-1] = words[-1].rpartition("from orchestrator.process")[0] + "import json, sys; print(sys.path[0])"
    told = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.strip() not in ("", str(tmp_path))


def test_an_interpreter_that_is_too_old_says_so_in_one_sentence() -> None:
    words = command(sys.executable, (3, 4))
    told = subprocess.run(
        [words[0], "-c", f"import sys; sys.version_info = (3, 8)\n{words[-1]}"], capture_output=True, text=True
    )
    assert told.returncode == 1 and told.stderr.startswith("flows need Python 3.11 or newer, found ")
    assert len(told.stderr.splitlines()) == 1


OLD = [python for name in ("python2.7", "python3.8", "python3.10") for python in beside(name)]


@pytest.mark.skipif(not OLD, reason="no old interpreter stands beside this one")
def test_really_old_interpreters_say_so_too() -> None:
    for python in OLD:
        told = subprocess.run(command(str(python), (3, 4)), capture_output=True, text=True)
        assert told.returncode == 1 and told.stderr.startswith("flows need Python 3.11 or newer, found "), python


NEWER = [python for name in ("python3.12", "python3.13", "python3.14") for python in beside(name)]


@pytest.mark.skipif(not NEWER, reason="no newer interpreter stands beside this one")
def test_newer_interpreters_run_flows_as_well(tmp_path: Path) -> None:
    path = write_flow(tmp_path, EVERYTHING)
    for python in NEWER:
        result, child = run_flow(path, python=str(python), parameters={"n": 3})
        assert result["state"] == "COMPLETED", (python, result, child.errors())


def test_processes_that_a_flow_spawns_find_the_sdk_in_an_environment_made_for_it(python: Path, tmp_path: Path) -> None:
    put_into(python.parents[1])
    body = """
import multiprocessing, subprocess, sys
@task
def one(n): return n + 1
def work(n): return one.fn(n)
@flow
def main():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pooled = pool.map(work, [1, 2])
    code = "from orchestrator import flow; import orchestrator.sdk as s; print(flow.__name__, s.__file__)"
    return pooled, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
"""
    result, child = run_flow(write_flow(tmp_path, body), python=str(python), env={SDK_VARIABLE: FOLDER})
    assert result["state"] == "COMPLETED", (result, child.errors())
    assert json.loads(result["value"]) == [[2, 3], f"flow {FOLDER}/sdk/__init__.py\n"]


def test_the_stand_in_leaves_a_package_of_that_name_alone_and_says_what_it_is_for(python: Path, tmp_path: Path) -> None:
    put_into(python.parents[1])
    words = [str(python), "-c", "import orchestrator"]
    told = subprocess.run(words, capture_output=True, text=True, env={}, cwd=tmp_path)
    assert "ModuleNotFoundError: No module named 'orchestrator': this environment is for runs" in told.stderr
    (site_packages(python.parents[1]) / "orchestrator.py").unlink()
    add_package(python.parents[1], "orchestrator", "WHOSE = 'theirs'\n")
    put_into(python.parents[1])
    assert not (site_packages(python.parents[1]) / "orchestrator.py").exists()
