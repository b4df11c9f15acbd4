"""Variables of work queues and runs: set, unset, told in the history, refused by name; nothing is written then."""

from typing import Any

import pytest

from orchestrator.errors import Invalid
from tests.support.deployments import spec

REFUSED = [
    ({"LD_PRELOAD": "x.so"}, "env.LD_PRELOAD", "changes how the interpreter itself starts"),
    ({"PYTHONHOME": "/x"}, "env.PYTHONHOME", "changes how the interpreter itself starts"),
    ({"HEADGATE_REDIS_URL": "x"}, "env.HEADGATE_REDIS_URL", "Headgate's own"),
    ({"A=B": "1"}, "env", "the name of a variable"),
    ({"": "1"}, "env", "the name of a variable"),
    ({"A": "\0"}, "env.A", "text without NUL"),
    ({"A": "\udc80"}, "env.A", "text without NUL"),
    ({"A": 1}, "env.A", "A to be text"),
    ({"A": "ä" * 40_000}, "env.A", "at most 65536 bytes in A, got 80000"),
    ({f"A{number}": "x" * 60_000 for number in range(5)}, "env", "at most 262144 bytes of variables in all"),
]


def changes(client: Any) -> list[tuple[str, str | None, str | None]]:
    """What the history of the queue ml tells about variables, oldest first."""
    told = client.get_work_queue("ml").changes
    return [(one.what, one.old, one.new) for one in reversed(told) if one.what.startswith("env.")]


def test_variables_of_a_queue_are_set_and_unset_and_each_change_is_recorded(client: Any) -> None:
    client.create_work_queue("ml")
    assert client.set_work_queue_env("ml", {"A": "1", "B": ""}).changed == ("A", "B")
    assert client.set_work_queue_env("ml", {"A": "2", "B": ""}).changed == ("A",)
    assert client.get_work_queue("ml").env == {"A": "2", "B": ""}
    assert client.unset_work_queue_env("ml", ["B", "C"]).env == {"A": "2"}
    told = changes(client)
    assert sorted(told[:2]) == [("env.A", None, "1"), ("env.B", None, '""')]
    assert told[2:] == [("env.A", "1", "2"), ("env.B", '""', None)]


def test_a_long_value_is_kept_whole_and_told_in_short(client: Any) -> None:
    client.create_work_queue("ml")
    client.set_work_queue_env("ml", {"A": "x" * 60_000})
    assert client.get_work_queue("ml").env == {"A": "x" * 60_000}
    assert len(changes(client)[0][2] or "") < 300


@pytest.mark.parametrize(("env", "field", "message"), REFUSED)
def test_what_no_process_may_have_is_refused_for_queues_and_runs(
    client: Any, env: dict[str, Any], field: str, message: str
) -> None:
    client.create_from_spec(spec())
    calls = (
        lambda: client.set_work_queue_env("default", env),
        lambda: client.run_deployment("nightly", env=env),
        lambda: client.deployment_spec("nightly", env=env),
    )
    for call in calls:
        with pytest.raises(Invalid, match=message) as caught:
            call()
        assert caught.value.field == field and caught.value.hint
    assert client.get_work_queue("default").env == {} and client.list_flow_runs() == []


def test_all_variables_of_a_queue_together_are_bounded(client: Any) -> None:
    client.set_work_queue_env("default", {f"A{number}": "x" * 60_000 for number in range(4)})
    with pytest.raises(Invalid, match="variables in all"):
        client.set_work_queue_env("default", {"B": "x" * 60_000})


def test_a_run_here_gets_the_variables_of_queue_deployment_and_run(client: Any) -> None:
    client.set_work_queue_env("default", {"A": "queue", "B": "queue", "C": "queue"})
    client.create_from_spec(spec(env={"B": "deployment", "C": "deployment"}))
    assert client.deployment_spec("nightly", env={"C": "run"})["env"] == {"A": "queue", "B": "deployment", "C": "run"}
