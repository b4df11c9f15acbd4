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


ROLES_AND_COMMANDS = [("scheduler", "start"), ("agent", "start"), ("work-queue", "ls")]


@pytest.mark.parametrize("words", ROLES_AND_COMMANDS)
def test_where_durability_is_strict_a_redis_that_answers_before_it_writes_is_refused(words: tuple[str, ...]) -> None:
    with Installation({"HEADGATE_DURABILITY": "strict"}) as installation:
        refused = installation.run(*words, check=False)
    assert refused.returncode == 5
    assert "appendfsync everysec" in refused.stderr and "Set appendonly yes and appendfsync always" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("words", ROLES_AND_COMMANDS)
def test_a_redis_that_holds_another_installation_than_the_pinned_one_is_refused(words: tuple[str, ...]) -> None:
    with Installation() as installation:
        found = installation.json("version")["installation"] or installation.run("work-queue", "ls")
        installation.environment["HEADGATE_INSTALLATION"] = "0123456789abcdef"
        refused = installation.run(*words, check=False)
    assert found and refused.returncode == 5
    assert "HEADGATE_INSTALLATION is 0123456789abcdef" in refused.stderr and "Traceback" not in refused.stderr
