"""Fixtures of the control plane: a store, a client and their clock, on an empty Redis."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def store(redis: Any) -> Any:
    """A store on an empty Redis; `store.travel` moves its clock, which starts in the middle of a minute."""
    from orchestrator.store import Store  # imported here: tests of pure modules need no redis
    from tests.support.deployments import travel_to, utc

    made = Store(redis)
    travel_to(made, utc(2026, 3, 1, 12, 20, 30))
    return made


@pytest.fixture
def client(store: Any) -> Any:
    """A client over the same store."""
    from orchestrator.client import Client

    return Client(store, actor="ada@lab")
