"""The soft limit of open files."""

import resource
from collections.abc import Iterator

import pytest

from agent.runners.descriptor_limit import DescriptorLimit
from tests.agent.test_process_tree import sleeper, started

__all__ = ["started"]


@pytest.fixture
def soft_limit() -> Iterator[int]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield 256
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_it_is_raised_for_the_agent_and_put_back_for_its_children(soft_limit: int, started: list) -> None:
    limit = DescriptorLimit(100)
    assert limit.is_enough and resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limit.needed > soft_limit
    child = sleeper(started)
    limit.put_back(child.pid)
    assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE)[0] == soft_limit


def test_it_stays_where_it_is_enough(soft_limit: int) -> None:
    assert DescriptorLimit(4).is_enough and resource.getrlimit(resource.RLIMIT_NOFILE)[0] == soft_limit


def test_a_hard_limit_that_is_too_low_is_told(soft_limit: int) -> None:
    assert not DescriptorLimit(10**7).is_enough
