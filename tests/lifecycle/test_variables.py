"""Variables of flows: merged from four levels byte for byte, refused where no process may have them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.client import Client
from queues.states import State
from tests.lifecycle.worksite import Site

pytestmark = pytest.mark.slow

STRANGE = {
    "EMPTY": "",
    "LINES": "one\ntwo\r\n\tthree\n",
    "QUOTES": """'"`$HOME`"' \\ %s {x} #""",
    "LETTERS": "Grüße, 東京, 🎉, e\u0301",
    "LONG": "ä=" * 20_000,
}
FLOW = """
from orchestrator import flow
@flow
def main():
    return {name.decode(): value.hex() for name, value in os.environb.items()}
"""


def strange(level: str) -> dict[str, str]:
    """Values that only their bytes tell apart, under names of a level."""
    return {f"{level}_{name}": value for name, value in STRANGE.items()}


def seen(site: Site, run_id: str) -> dict[str, bytes]:
    """The environment that the flow of a run had."""
    site.until(run_id, State.COMPLETED)
    told = json.loads(site.store.records.data(run_id, "result") or b"")
    return {name: bytes.fromhex(value) for name, value in told.items()}


def client(site: Site) -> Client:
    """The verbs, on the site's Redis."""
    return Client(site.store, actor="a test")


def test_variables_of_every_level_arrive_byte_for_byte_and_secrets_of_the_agent_never(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    monkeypatch.setenv("TZ", "of the agent")
    verbs = client(site)
    verbs.set_work_queue_env(
        "default",
        {name: f"queue {name}" for name in ("TZ", "D", "R", "Q")}
        | {"Q_" + name: value for name, value in STRANGE.items()},
    )
    site.deploy(
        FLOW, env={"D": "deployment", "R": "deployment"} | {"D_" + name: value for name, value in STRANGE.items()}
    )
    site.agent()
    run = verbs.run_deployment("main/d", env={"R": "run"} | strange("R"))
    plain = verbs.run_deployment("main/d")
    found = seen(site, run.id)
    assert [found[name] for name in ("TZ", "Q", "D", "R")] == [b"queue TZ", b"queue Q", b"deployment", b"run"]
    for level in "QDR":
        assert {name: found[f"{level}_{name}"].decode() for name in STRANGE} == STRANGE
    assert seen(site, plain.id)["R"] == b"deployment"
    for secret in (b"planted", site.redis.url.encode()):
        assert not [name for name, value in found.items() if secret in value]
    assert {name for name in found if name.startswith("HEADGATE_")} == {
        "HEADGATE_RUN_ID",
        "HEADGATE_AGENT",
        "HEADGATE_SDK",
    }
    again = verbs.retry(run.id)
    assert seen(site, again.id)["R_LINES"].decode() == STRANGE["LINES"]
    assert verbs.get_flow_run(run.id).env["R_LONG"] == STRANGE["LONG"]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("queue", "the variables of its work queue default can not be used: LD_PRELOAD can not be set for a run"),
        ("deployment", "the variables of its deployment can not be used: PYTHONPATH can not be set for a run"),
        ("run", "the variables of the run can not be used: HEADGATE_REDIS_URL can not be set for a run"),
        ("no text", "the variables of the run can not be used: expected env.A to be text"),
        ("no object", "expected the variables of the run to be an object, got list"),
        ("no JSON", "its variables can not be read"),
    ],
)
def test_what_was_changed_by_hand_in_redis_is_refused_by_the_agent(site: Site, place: str, told: str) -> None:
    by_hand: dict[str, Any] = {
        "run": '{"HEADGATE_REDIS_URL": "x"}',
        "no text": '{"A": 1}',
        "no object": "[]",
        "no JSON": "\x01{",
    }
    site.deploy(FLOW, **({"env": {"PYTHONPATH": "/x"}} if place == "deployment" else {}))
    redis, keys = site.store.scripts.redis, site.store.keys
    (run_id,) = site.submit()
    if place == "queue":
        redis.hset(f"{keys.prefix}:queue:default", "env:LD_PRELOAD", "/x.so")
    if place in by_hand:
        redis.hset(f"{keys.prefix}:data:{run_id}", "environment", by_hand[place])
    site.agent()
    run = site.until(run_id, State.FAILED)
    assert run.state_name == "BadRecord" and told in run.reason
