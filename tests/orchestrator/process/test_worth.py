"""When `deployment create` says that warm runs would pay."""

import sys

import pytest

from orchestrator.process.deploy import WORTH_SECONDS, worth

ALL = frozenset(sys.modules)
WITHOUT_INSTALLED = frozenset(name for name in ALL if not name.startswith("pytest"))


@pytest.mark.parametrize(
    ("seconds", "there", "said"),
    [
        (WORTH_SECONDS, WITHOUT_INSTALLED, True),
        (WORTH_SECONDS / 2, WITHOUT_INSTALLED, False),
        (9.0, ALL, False),
    ],
)
def test_it_is_said_when_loading_takes_long_and_installed_packages_are_part_of_it(
    seconds: float, there: frozenset[str], said: bool
) -> None:
    assert ("warm=True" in worth(seconds, there, "/nowhere")) is said
