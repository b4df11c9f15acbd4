"""Spools that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from tests.agent.logs.spool_scene import SpoolScene


@pytest.fixture
def spools(redis: redis_py.Redis, tmp_path: Path) -> Iterator[Callable[..., SpoolScene]]:
    """Makes spools of one machine's home."""
    made: list[SpoolScene] = []

    def make(**changes: Any) -> SpoolScene:
        made.append(SpoolScene(redis, tmp_path, **changes))
        return made[-1]

    yield make
    for scene in made:
        with suppress(OSError):
            scene.die()


@pytest.fixture
def spool(spools: Callable[..., SpoolScene]) -> SpoolScene:
    """One agent's spool."""
    return spools()
