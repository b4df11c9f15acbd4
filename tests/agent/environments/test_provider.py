"""Environments from requirements to a ready folder: with a stand-in for uv, and (slow) with pip and uv themselves."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.environments.need import EnvironmentNeed
from agent.environments.provider import Environments
from agent.environments.tools import Tools, build_environment
from agent.errors import PreparationFailed
from orchestrator.flow_runners import SubprocessFlowRunner
from tests.support.flow_process import run_flow, write_flow
from tests.support.wheels import make_wheel, offline

UV = """#!/bin/sh
echo "$@" >> {folder}/asked
env > {folder}/environment
echo "Resolved 1 package in 2ms"
{then}
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[..., Environments]:
    """Makes a provider whose uv is a script that notes what it is asked, and then does as it is told."""

    def make(then: str = "exit 0", **options: object) -> Environments:
        script = tmp_path / "tools" / "uv"
        script.parent.mkdir(exist_ok=True)
        script.write_text(UV.format(folder=tmp_path, then=then))
        script.chmod(0o755)
        own = {"PATH": f"{script.parent}:/usr/bin:/bin", "HOME": str(tmp_path), "HEADGATE_REDIS_URL": "secret"}
        own |= {"DB_PASSWORD": "secret", "PIP_INDEX_URL": "https://h/simple", "PIP_TARGET": "/elsewhere"}
        return Environments(tmp_path / "home", own=own, host="h1", **options)  # type: ignore[arg-type]

    return make


def need(*lines: str, python: str | None = None) -> EnvironmentNeed:
    return EnvironmentNeed(lines=lines, python=python)


def test_an_environment_is_made_once_with_its_progress_told(stand_in: Callable[..., Environments]) -> None:
    environments, told = stand_in(), list[str]()
    assert environments.place(need("alpha==1.0")) is None
    path = environments.prepare(need("alpha==1.0"), told.append)
    assert told == ["installing 1 package: alpha with uv", "1 package to install"]
    assert (path / "requirements.txt").read_text() == "alpha==1.0\n"
    assert environments.place(need("alpha==1.0")) == path and environments.place(need("alpha==2.0")) is None
    assert environments.prepare(need("alpha==1.0"), told.append) == path and len(told) == 2
    environments.unpin(need("alpha==1.0"))


def test_the_tool_sees_where_packages_are_and_no_secret_of_the_agent(
    stand_in: Callable[..., Environments], tmp_path: Path
) -> None:
    path = stand_in().prepare(need("--pre", "alpha"), lambda text: None)
    asked = (tmp_path / "asked").read_text()
    assert f"--prerelease=allow --python {path}/bin/python -r {path}/requirements.txt" in asked
    seen = (tmp_path / "environment").read_text().splitlines()
    assert "UV_DEFAULT_INDEX=https://h/simple" in seen and "GIT_TERMINAL_PROMPT=0" in seen
    assert not [line for line in seen if "secret" in line or line.startswith("PIP_TARGET")]


@pytest.mark.parametrize(
    ("then", "final", "said"),
    [
        ("echo 'error: no such package'; exit 1", True, "could not be built on h1: no such package"),
        ("echo 'error: dns error'; exit 1", False, "dns error"),
        ("kill -9 $$", False, "uv was killed by SIGKILL"),
        ("echo waiting; sleep 60 & sleep 60", False, r"within 0.5 s \(HEADGATE_ENVIRONMENT_SECONDS\); last was said"),
    ],
)
def test_a_failed_build_gives_its_reason_and_leaves_nothing(
    stand_in: Callable[..., Environments], tmp_path: Path, then: str, final: bool, said: str
) -> None:
    with pytest.raises(PreparationFailed, match=said) as caught:
        stand_in(then, seconds=0.5 if "sleep" in then else 60.0).prepare(need("alpha"), lambda text: None)
    assert caught.value.final is final
    assert os.listdir(tmp_path / "home" / "environments") == []


def test_a_full_disk_is_no_fault_of_the_deployment(stand_in: Callable[..., Environments]) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        stand_in("echo 'error: No space left on device'; exit 1").prepare(need("alpha"), lambda text: None)


def test_what_the_agents_environment_lacks_is_named(stand_in: Callable[..., Environments]) -> None:
    lines = ("--index-url https://${PIP_TOKEN}@h/simple", "alpha")
    with pytest.raises(PreparationFailed, match="PIP_TOKEN, which the environment of the agent on h1 lacks") as caught:
        stand_in().prepare(need(*lines), lambda text: None)
    assert not caught.value.final


def test_another_interpreter_is_asked_once_and_known_to_the_supervisor_then(
    stand_in: Callable[..., Environments], tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho asked >> {tmp_path}/times\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    wanted = need("alpha", python=str(python))
    supervisor = stand_in()
    assert supervisor.place(wanted) is None
    path = stand_in().prepare(wanted, lambda text: None)
    assert supervisor.place(wanted) == path == supervisor.place(wanted)
    times = (tmp_path / "times").read_text()
    assert stand_in().prepare(wanted, lambda text: None) == path and (tmp_path / "times").read_text() == times


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "expected a Python interpreter at .*/python on h1, found none"),
        ("#!/bin/sh\necho odd >&2\n", "it says: odd"),
        ('#!/bin/sh\nexec {python} -c "import sys; sys.version_info = (3, 8, 1); exec(sys.argv[1])" "$4"\n', "3.8.1"),
        ("#!/nowhere\n", "can not be started: No such file"),
    ],
)
def test_an_interpreter_that_can_not_be_used_is_refused(
    stand_in: Callable[..., Environments], tmp_path: Path, script: str | None, said: str
) -> None:
    python = tmp_path / "python"
    if script is not None:
        python.write_text(script.format(python=sys.executable))
        python.chmod(0o755)
    with pytest.raises(PreparationFailed, match=said) as caught:
        stand_in().prepare(need("alpha", python=str(python)), lambda text: None)
    assert caught.value.final


def test_without_uv_and_pip_an_environment_brings_its_own_pip() -> None:
    lines = ["alpha"]
    own, borrowed = Tools(uv=None, pip=False), Tools(uv=None, pip=True)
    assert own.commands("/p", Path("/e"), lines)[0] == ["/p", "-I", "-m", "venv", "/e"]
    assert own.commands("/p", Path("/e"), lines)[1][:4] == ["/e/bin/python", "-I", "-m", "pip"]
    assert borrowed.commands("/p", Path("/e"), lines)[0][-2:] == ["--without-pip", "/e"]
    assert build_environment({"HOME": "/dev/null/x"}, own)["PIP_NO_CACHE_DIR"] == "1"


@pytest.mark.parametrize(("said", "has_none"), [("1", True), ("True", True), ("0", False), ("", False), (None, False)])
def test_a_machine_without_an_index_is_one_to_uv_too(said: str | None, has_none: bool) -> None:
    found = Tools.found({} if said is None else {"PIP_NO_INDEX": said})
    command = replace(found, uv="/bin/uv").commands(None, Path("/e"), ["alpha"])[1]
    assert ("--no-index" in command) == has_none


# ------------------------------------------------------------------- with pip, and with uv
REAL_UV = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.fixture(params=["pip", "uv"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Environments:
    """A provider that really installs, from wheels of this test alone."""
    make_wheel(tmp_path / "wheels", "alpha", "1.0"), make_wheel(tmp_path / "wheels", "alpha", "2.0")
    make_wheel(tmp_path / "wheels", "beta", "1.0", requires=("alpha==1.0",))
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    own |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    if request.param == "uv":
        assert REAL_UV is not None, "it is one of the packages that tests need"
        own["PATH"] = f"{Path(REAL_UV).parent}:{own['PATH']}"
    else:
        own["PATH"] = ":".join(entry for entry in own["PATH"].split(":") if not Path(entry, "uv").exists())
    return Environments(tmp_path / "home", own=own, host="h1")


@pytest.mark.slow
def test_two_flows_with_conflicting_pins_run_side_by_side(real: Environments, tmp_path: Path) -> None:
    path = write_flow(tmp_path, "import alpha\n@flow\ndef main(): return [alpha.VERSION, alpha.WHOSE]\n")
    for version in ("1.0", "2.0"):
        place = real.prepare(need(f"alpha=={version}"), lambda text: None)
        result, child = run_flow(path, python=str(place / "bin" / "python"))
        assert result["value"].decode() == f'["{version}","the environment"]', (result, child.errors())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["alpha==3.0"], r"alpha==3\.0"),
        (["beta", "alpha==2.0"], r"beta.*alpha==1\.0"),
        ([f"alpha==1.0 --hash=sha256:{'a' * 64}"], "(?i)hash"),
    ],
)
def test_what_can_not_be_installed_says_why(real: Environments, lines: list[str], said: str) -> None:
    with pytest.raises(PreparationFailed, match=said) as caught:
        real.prepare(need(*lines), lambda text: None)
    assert caught.value.final and len(str(caught.value)) < 400


@pytest.mark.slow
def test_two_processes_of_one_home_build_it_once(tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "alpha", "1.0")
    code = "import os, sys; from pathlib import Path; from agent.environments.provider import *\n"
    code += "lines = tuple(sys.argv[2:]); e = Environments(Path(sys.argv[1]), own=os.environ, host='h1')\n"
    code += "e.prepare(EnvironmentNeed(lines=lines), lambda text: print(text, flush=True))"
    words = [sys.executable, "-c", code, str(tmp_path / "home"), *offline(tmp_path / "wheels"), "alpha"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) for _ in range(2)]
    told = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("installing 1 package: alpha with" in text for text in told) == 1, told


def test_the_runner_records_requirements_beside_the_interpreter() -> None:
    runner = SubprocessFlowRunner(requirements=["alpha==1.0"], python="/usr/bin/python3")
    assert runner.to_dict()["requirements"] == ["alpha==1.0"] and runner.to_dict()["python"] == "/usr/bin/python3"
