"""What a newcomer meets before anything of Headgate runs: `make`, and a set-up that says what is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rules.source_files import ROOT

SET_UP = ROOT / "deploy" / "checkout" / "set_up.sh"


@pytest.fixture
def bare_path(tmp_path):
    """A PATH with the few tools that the script uses, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "dirname", "rm", "touch", "cat"):
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def set_up(path: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run the script with nothing but this PATH."""
    environment = {"PATH": str(path), "HOME": str(tmp_path)}
    command = ["sh", str(SET_UP), str(tmp_path / "venv"), str(tmp_path / "stamp")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)


def fake_python(folder: Path, text: str) -> None:
    """A python3.12 that answers as the text says."""
    (folder / "python3.12").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "python3.12").chmod(0o755)


def test_make_alone_lists_the_targets():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "test-all", "check", "bench", "format", "clean"):
        assert f"make {target} " in listed


def test_without_a_python_that_suits_the_set_up_says_which_ones_do(bare_path, tmp_path):
    done = set_up(bare_path, tmp_path)
    assert done.returncode == 1
    assert "needs Python 3.11 or 3.12, and none was found" in done.stderr


def test_a_python_that_is_too_old_is_passed_over(bare_path, tmp_path):
    fake_python(bare_path, "exit 1")
    assert "none was found" in set_up(bare_path, tmp_path).stderr


def test_a_python_without_venv_is_named_with_the_package_to_install(bare_path, tmp_path):
    fake_python(bare_path, 'case "$2" in *ensurepip*) exit 1 ;; esac')
    done = set_up(bare_path, tmp_path)
    assert done.returncode == 1
    assert "venv and ensurepip are missing" in done.stderr
    assert "python3-venv" in done.stderr


def test_packages_that_cannot_be_installed_leave_no_stamp(bare_path, tmp_path):
    fake_python(bare_path, "exit 0")  # "makes" an environment without a python in it
    done = set_up(bare_path, tmp_path)
    assert done.returncode == 1
    assert "Nothing else is needed from the network" in done.stderr
    assert not (tmp_path / "stamp").exists()


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_a_missing_system_package_fails_in_ci_and_is_said_aloud_at_home(bare_path, ci, code):
    (bare_path / "id").symlink_to(shutil.which("id"))
    script = ROOT / "deploy" / "ci" / "system_packages.sh"
    environment = {"PATH": str(bare_path), "CI": ci}
    done = subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == code
    assert "MISSING: redis-server" in done.stderr


def test_the_scripts_can_be_executed():
    for script in (".ci/run", "deploy/ci/system_packages.sh", "deploy/checkout/set_up.sh"):
        assert os.access(ROOT / script, os.X_OK)
