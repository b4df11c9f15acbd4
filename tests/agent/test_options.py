"""What an agent is started with."""

import pytest

from agent.errors import AgentInvalid
from agent.options import AgentOptions, host_name
from orchestrator.config import Settings

OPTIONS = AgentOptions(redis_url="unix:///x", queues=("a", "b"), limit=3)


def test_options_survive_the_way_through_the_environment() -> None:
    assert AgentOptions.from_environment(OPTIONS.environment()) == OPTIONS


def test_settings_become_options() -> None:
    settings = Settings.load({"HEADGATE_REDIS_URL": "redis://h", "HEADGATE_KILL_SECONDS": "2", "HOME": "/h"})
    made = AgentOptions.from_settings(settings, queues=["q", "q"], name="n")
    assert (made.redis_url, made.kill_seconds, made.queues) == ("redis://h", 2.0, ("q",)) and made.limit >= 1


@pytest.mark.parametrize(
    ("change", "field"),
    [({"queues": ()}, "queue"), ({"queues": ("Q",)}, "queue"), ({"name": "a b"}, "name"), ({"limit": 0}, "limit")],
)
def test_what_can_not_work_is_refused_with_its_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(AgentInvalid) as refused:
        AgentOptions(**{"redis_url": "unix:///x", "queues": ("a",), "limit": 1, **change})  # type: ignore[arg-type]
    assert refused.value.field == field


def test_a_process_that_no_keeper_started_is_refused() -> None:
    with pytest.raises(AgentInvalid, match="HEADGATE_AGENT_OPTIONS"):
        AgentOptions.from_environment({})


def test_an_agent_without_a_name_is_called_after_its_host() -> None:
    assert OPTIONS.names_to_try()[:2] == [f"{host_name()}-1", f"{host_name()}-2"]
