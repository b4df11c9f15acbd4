"""Fixtures of the tests that start and kill real agents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lifecycle.warm_site import WarmSite
from tests.lifecycle.worksite import Site
from tests.support.redis_server import RedisServer


@pytest.fixture
def site(own_redis: RedisServer, tmp_path: Path) -> Iterator[Site]:
    """A Redis of its own, a folder for flows, agents on demand."""
    made = Site(own_redis, tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def warm_site(own_redis: RedisServer, tmp_path: Path) -> Iterator[WarmSite]:
    """The same, with warm deployments."""
    made = WarmSite(own_redis, tmp_path)
    try:
        yield made
    finally:
        made.close()
