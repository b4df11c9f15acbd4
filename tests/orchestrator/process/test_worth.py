"""When `deployment create` says that warm runs would pay."""

import sys

import pytest

from orchestrator.process.deploy import WORTH_SECONDS, worth


@pytest.mark.parametrize(
    ("seconds", "loads", "said"),
    [(WORTH_SECONDS, "pytest", True), (WORTH_SECONDS / 2, "pytest", False), (9.0, "", False)],
)
def test_it_is_said_when_loading_takes_long_and_installed_packages_are_part_of_it(
    seconds: float, loads: str, said: bool
) -> None:
    there = frozenset(name for name in sys.modules if not loads or not name.startswith(loads))
    assert ("warm=True" in worth(seconds, there, "/nowhere")) is said
