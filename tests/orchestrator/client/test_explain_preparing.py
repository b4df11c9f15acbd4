"""`explain` names agents that lack the code of a run, or bring its code or environment onto their machines."""

import json

import pytest

from orchestrator.client import views
from tests.support.deployments import Worker, spec


@pytest.fixture
def deployed(client):
    client.create_from_spec(spec(tags=["ml"]))
    return client


def codes(client, run):
    return [reason.code for reason in client.explain(run.id).reasons]


@pytest.mark.parametrize("said", ["vm-1 has no /srv/flows/score.py", "vm-1 can not run it: needs headgate >= 2.0"])
def test_agents_that_lack_the_code_are_named_with_host_and_path(deployed, store, said):
    run, other = deployed.run_deployment("nightly"), deployed.run_deployment("nightly")
    worker = Worker(store, "ant")
    claim = worker.claim()[0]
    worker.claims.release(claim.run_id, claim.token, claim.claim_id, reason=said)
    for waiting in (run, other):
        reason = deployed.explain(waiting.id).reasons[0]
        assert (reason.code, reason.details["path"]) == ("no-code", "/srv/flows/score.py")
        assert f"no agent that listens has the code: {said} (agent ant)" in reason.text
        assert "given-back" not in codes(deployed, waiting)
    assert [one.why for one in deployed.list_flow_runs()] == [said, said]
    Worker(store, "bee")
    assert codes(deployed, other)[0] != "no-code"


def test_an_agent_that_found_the_code_since_is_not_said_to_lack_it(deployed, store):
    run = deployed.run_deployment("nightly")
    worker = Worker(store, "ant")
    claim = worker.claim()[0]
    worker.claims.release(claim.run_id, claim.token, claim.claim_id, reason="vm-1 has no /srv/flows/score.py")
    claim = worker.start()
    worker.claims.release(claim.run_id, claim.token, claim.claim_id, reason="the agent stops")
    assert codes(deployed, run) == ["starting", "given-back"]


def test_a_run_whose_agent_prepares_its_environment_says_what_it_does_and_for_how_long(deployed, store):
    Worker(store, "ant")
    run = deployed.run_deployment("nightly")
    what = {"part": "environment", "what": "installing 12 packages: pandas", "since_us": store.scripts.now_us()}
    store.scripts.redis.hset(store.keys.agent("ant"), "preparing", json.dumps({run.deployment: what}))
    store.travel(34_000_000)
    store.scripts.redis.hset(store.keys.agent("ant"), "seen", store.scripts.now_us())
    (reason,) = deployed.explain(run.id).reasons
    assert reason.text == reason.brief == deployed.get_flow_run(run.id).why
    assert reason.text.startswith("agent ant is preparing its environment: installing 12 packages: pandas, for 34")
    assert (reason.code, reason.command) == ("preparing", "headgate agent inspect ant")
    (shown,) = deployed.get_agent("ant").preparing
    assert (shown.deployment, shown.part) == (run.deployment, "environment")


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1}', '{"a": {"part": "x", "what": "y", "since_us": 1e400}}'])
def test_what_an_agent_says_it_prepares_and_nobody_can_read_is_nothing(text):
    assert views.preparing(text) == ()
