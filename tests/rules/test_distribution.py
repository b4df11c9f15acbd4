"""What is in the wheel, what the locks hold, and how a checkout is installed."""

import re
import tomllib

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.rules.source_files import PRODUCT, ROOT, tracked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ("requirements.lock", "requirements-dev.lock")


def names(lines):
    """The distribution names at the start of requirement lines, in the form that pip compares."""
    found = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines)
    return {match.group().lower().replace("_", "-") for match in found if match}


def test_the_wheel_holds_the_three_packages_with_their_scripts_and_nothing_else():
    inside = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    wanted = {path for path in tracked() if path.startswith(tuple(f"{package}/" for package in PRODUCT))}
    assert {path.split("/")[0] for path in inside} == set(PRODUCT)
    assert wanted <= inside
    assert any(path.endswith(".lua") for path in inside)


def test_an_editable_install_is_a_plain_path():
    # Given packages instead, hatchling would install a finder hook, which costs every flow 10 ms at its start.
    assert PROJECT["tool"]["hatch"]["build"]["dev-mode-dirs"] == ["."]


def test_every_dependency_is_locked():
    locked = names("\n".join((ROOT / lock).read_text() for lock in LOCKS).splitlines())
    extras = [line for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines]
    assert names(PROJECT["project"]["dependencies"]) <= names((ROOT / LOCKS[0]).read_text().splitlines())
    assert names(extras) <= locked


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_exact_versions_and_no_addresses(lock):
    lines = [line for line in (ROOT / lock).read_text().splitlines() if line and not line.startswith(("#", "-r "))]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*(; .*)?", line)] == []
    assert [line for line in lines if "//" in line or "@" in line] == []
