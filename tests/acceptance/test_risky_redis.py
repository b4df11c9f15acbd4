"""A Redis that would drop runs is refused at the start of a role; one that might lose some is named with the remedy."""

import pytest

from tests.support.installation import Installation
from tests.support.waiting import wait_until


@pytest.mark.parametrize("role", [("scheduler", "start"), ("agent", "start")])
def test_a_redis_that_evicts_runs_is_refused(role: tuple[str, ...]) -> None:
    with Installation() as installation:
        installation.redis.client().config_set("maxmemory-policy", "allkeys-lru")
        refused = installation.run(*role, check=False)
    assert refused.returncode == 5
    assert "allkeys-lru may drop runs" in refused.stderr and "noeviction" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("role", [("scheduler", "start"), ("agent", "start")])
def test_a_redis_that_keeps_nothing_on_disk_is_named_with_the_remedy(role: tuple[str, ...]) -> None:
    with Installation() as installation:
        installation.redis.client().config_set("appendonly", "no")
        installation.start(*role)
        wait_until(lambda: "appendonly yes" in installation.role_logs(), within=10, message=installation.role_logs)
