"""`explain` names what keeps a run from running, and the command that changes it."""

import socket

import pytest

from orchestrator.errors import NotFound
from orchestrator.scheduler.leadership import Leadership
from queues.clock import from_us
from queues.scripts import Scripts
from tests.support.deployments import HOURLY, Worker, silence, spec, start_one


@pytest.fixture
def deployed(client):
    client.create_from_spec(spec(tags=["ml"]))
    return client


def codes(client, run):
    return [reason.code for reason in client.explain(run.id).reasons]


def test_a_run_without_an_agent_names_the_queue_and_who_listened_last(deployed, store):
    run = deployed.run_deployment("nightly")
    assert codes(deployed, run) == ["no-agent"]
    Worker(store, "ant")
    store.travel(100_000_000)
    (reason,) = deployed.explain(run.id).reasons
    assert "the last was ant on" in reason.text and reason.text.endswith("heard of 1 min 40 s ago")
    assert reason.command == "headgate agent start -q default"


def test_an_agent_that_left_is_named_with_who_asked_it_to(deployed, store):
    run = deployed.run_deployment("nightly")
    Worker(store, "old", instance="1")
    Worker(store, "bee", instance="2")
    store.presence.unregister("old", "1")
    store.travel(60_000_000)
    deployed.drain_agent("bee")
    store.presence.unregister("bee", "2")
    store.travel(120_000_000)
    (reason,) = deployed.explain(run.id).reasons
    left = f"the last was bee on {socket.gethostname()}, which ended 2 min ago, asked to drain by ada@lab"
    assert reason.text == f"no live agent listens to default; {left}"


def test_a_run_whose_agents_are_all_silent_does_not_start_at_once(deployed, store):
    run = deployed.run_deployment("nightly")
    Worker(store, "bee")
    silence(store, "bee", 20)
    (reason,) = deployed.explain(run.id).reasons
    assert (reason.code, reason.brief) == ("agents-silent", "agents are silent: bee 20 s")
    Worker(store, "cow")
    assert (
        deployed.explain(run.id).reasons[0].text.endswith(f"it starts at once on one of cow on {socket.gethostname()}")
    )


def test_a_paused_queue_is_named_first(deployed):
    run = deployed.run_deployment("nightly")
    deployed.pause_work_queue("default")
    told = deployed.explain(run.id)
    assert told.reasons[0].command == "headgate work-queue resume default"
    assert told.summary.startswith("work queue default is paused, by ada@lab 0.")
    assert told.reasons[0].brief == deployed.get_flow_run(run.id).why == "work queue default is paused"


def test_a_run_that_is_not_due_says_when_and_whether_a_scheduler_is_there(deployed, store):
    run = deployed.run_deployment("nightly", at=from_us(store.scripts.now_us() + 90_000_000))
    assert codes(deployed, run) == ["not-due", "no-scheduler"]
    Leadership(store).beat()
    told = deployed.explain(run.id)
    assert "in 1 min" in told.summary
    assert len(told.reasons) == 1


def test_a_due_run_that_no_scheduler_moves_says_so(deployed, store):
    run = deployed.run_deployment("nightly", at=from_us(store.scripts.now_us() + 1_000_000))
    store.travel(60_000_000)
    (reason,) = deployed.explain(run.id).reasons
    assert (reason.code, reason.command) == ("no-scheduler", "headgate scheduler start")


def test_the_agent_that_starts_or_runs_or_ends_it_is_named(deployed, store):
    run = deployed.run_deployment("nightly")
    worker = Worker(store, "ant")
    claim = worker.claim()[0]
    assert f"agent ant on {socket.gethostname()} claimed it" in deployed.explain(run.id).summary
    worker.claims.confirm(claim.run_id, claim.token, claim.claim_id)
    assert codes(deployed, run) == ["running"]
    deployed.cancel(run.id)
    assert codes(deployed, run) == ["cancelling"]


def test_agents_without_room_are_named_with_their_load(deployed, store):
    Worker(store, "ant")
    run = deployed.run_deployment("nightly")
    store.scripts.redis.hset(store.keys.agent("ant"), "running", 4)
    (reason,) = deployed.explain(run.id).reasons
    assert (reason.code, "(4 of 4)" in reason.text) == ("agents-full", True)


def test_a_returned_redis_holds_everything_for_a_moment(deployed, store):
    run = deployed.run_deployment("nightly")
    until = store.scripts.now_us() + 1_500_000
    store.scripts.redis.hset(store.keys.recovery, "no_claims_before", until)
    assert codes(deployed, run)[0] == "recovery"


def test_nothing_in_the_way_says_that_it_starts_or_that_no_agent_takes_it(deployed, store):
    Worker(store, "ant")
    run = deployed.run_deployment("nightly")
    assert codes(deployed, run) == ["starting"]
    store.travel(10_000_000)
    assert codes(deployed, run) == ["not-taken"]


def test_a_run_that_was_given_back_says_why(deployed, store):
    run = deployed.run_deployment("nightly")
    worker = Worker(store, "ant")
    claim = worker.start()
    worker.claims.release(claim.run_id, claim.token, claim.claim_id, reason="the agent drains")
    given_back = deployed.explain(run.id).reasons[-1]
    assert (given_back.code, "the agent drains" in given_back.text) == ("given-back", True)


def test_an_ended_run_points_to_retry_only_when_it_did_not_complete(deployed, store):
    worker = Worker(store)
    good, bad = deployed.run_deployment("nightly"), deployed.run_deployment("nightly")
    worker.run_one()
    worker.run_one(state="FAILED", reason="ValueError: x")
    assert deployed.explain(good.id).reasons[0].command is None
    told = deployed.explain(bad.id)
    assert told.reasons[0].command == f"headgate flow-run retry {bad.id}"
    assert "ValueError: x" in told.summary


def test_a_run_on_a_silent_agent_says_when_and_where_it_goes_on(deployed, store):
    Leadership(store).beat()
    run = start_one(deployed, store)
    agent = store.records.get(run.id).agent
    silence(store, agent, 20)
    silent, running = deployed.explain(run.id).reasons
    assert (silent.code, running.code) == ("agent-silent", "running")
    assert "it starts again elsewhere when its lease has ended, in" in silent.text
    assert deployed.get_flow_run(run.id).why == f"agent {agent} has been silent for 20 s"
    store.scripts.redis.hset(store.keys.recovery, mapping={"no_expiry_before": store.scripts.now_us() + 30_000_000})
    store.scripts.redis.hset(store.keys.recovery, "reason", "Redis was restarted")
    assert "because Redis was restarted; then it starts again" in deployed.explain(run.id).summary


def test_agents_that_drain_are_no_help(deployed, store):
    Worker(store, "ant")
    run = deployed.run_deployment("nightly")
    store.scripts.redis.hset(store.keys.agent("ant"), "state", "draining")
    (reason,) = deployed.explain(run.id).reasons
    assert (reason.code, reason.brief) == ("agents-closed", "agents take nothing: ant draining")


def test_full_agents_name_the_queues_that_they_serve_first(deployed, store):
    deployed.create_work_queue("urgent", priority=1)
    deployed.create_from_spec(spec(name="hot", work_queue="urgent"))
    Worker(store, "ant", queues=("default", "urgent"))
    store.scripts.redis.hset(store.keys.agent("ant"), "running", 4)
    run = deployed.run_deployment("nightly")
    deployed.run_deployment("hot")
    assert deployed.explain(run.id).summary.endswith("; served before it: urgent (priority 1, 1 run)")


def test_a_run_that_is_to_be_alone_says_which_agent_empties_itself_for_it(deployed, store):
    worker = Worker(store, "ant")
    deployed.run_deployment("nightly")
    worker.start()
    store.scripts.redis.hset(store.keys.agent("ant"), "running", 1)
    run = deployed.run_deployment("nightly")
    store.scripts.redis.hset(store.keys.run(run.id), mapping={"alone": "wanted", "lost": 3})
    assert worker.claim() == []
    (reason,) = deployed.explain(run.id).reasons
    assert reason.code == "alone" and "it was lost 3 times beside other runs" in reason.text
    assert "agent ant takes no other run until it is empty, and starts it beside others in 10 min" in reason.text


def test_a_queue_of_a_newer_version_is_named(deployed, store):
    run = deployed.run_deployment("nightly")
    store.scripts.redis.hset(store.keys.queue("default"), mapping={"schema": 9, "needs": "3.1"})
    reason = deployed.explain(run.id).reasons[0]
    assert reason.code == "newer-schema" and "needs headgate >= 3.1" in reason.text


def test_a_paused_deployment_is_mentioned_and_does_not_hold_the_run(deployed, store):
    Worker(store, "ant")
    run = deployed.run_deployment("nightly")
    deployed.pause_deployment("nightly")
    first, note = deployed.explain(run.id).reasons
    assert (first.code, note.code) == ("starting", "deployment-paused")
    assert note.command == "headgate deployment resume score/nightly"


def test_commands_can_be_copied_into_a_shell_whatever_things_are_called(client, store):
    client.create_from_spec(spec(flow="My flow", path="/srv/my flows/a.py", concurrency_limit=1))
    run, other = client.run_deployment("nightly"), client.run_deployment("nightly")
    Worker(store, "ant").claim(2)
    client.pause_deployment("nightly")
    assert client.explain(run.id).reasons[-1].command == "headgate deployment resume 'My flow/nightly'"
    assert client.explain(other.id).reasons[0].command == "headgate deployment create '/srv/my flows/a.py'"
    store.scripts.redis.hset(store.keys.run(other.id), "queue", "x; rm -rf ~")
    assert client.explain(other.id).reasons[0].command == "headgate work-queue create 'x; rm -rf ~'"


def test_a_failed_try_says_why_and_when_the_next_one_is(deployed, store):
    Leadership(store).beat()
    run = deployed.run_deployment("nightly")
    Worker(store, "ant").run_one(state="FAILED", reason="ValueError: x", retry_in_seconds=60)
    due, before = deployed.explain(run.id).reasons
    assert due.text.startswith("try 2 of a run that failed is due in ")
    assert (before.code, before.text) == ("failed-before", "attempt 1 failed: ValueError: x")
    assert deployed.get_flow_run(run.id).why == "next try in 1 min, after: ValueError: x"


def test_an_ended_run_says_how_when_where_and_by_whom(deployed, store):
    run = deployed.run_deployment("nightly")
    Worker(store, "ant").run_one(state="FAILED", reason="ValueError: x", fields={"exit_code": 1})
    told = deployed.explain(run.id)
    assert told.summary.startswith("it ended FAILED 0.") and f"on agent ant on {socket.gethostname()}" in told.summary
    assert told.reasons[0].details == {"exit_code": "1"}
    cancelled = deployed.run_deployment("nightly")
    deployed.cancel(cancelled.id)
    assert "by ada@lab" in deployed.explain(cancelled.id).summary


def test_a_list_says_why_in_round_trips_that_do_not_grow_with_it(deployed, monkeypatch):
    sent = []
    ask, call = Scripts.ask, Scripts.call
    monkeypatch.setattr(Scripts, "ask", lambda self, read: sent.append(read) or ask(self, read))
    monkeypatch.setattr(Scripts, "call", lambda self, verb, **more: sent.append(verb) or call(self, verb, **more))

    def trips():
        sent.clear()
        assert all(run.why for run in deployed.list_flow_runs())
        return len(sent)

    deployed.run_deployment("nightly")
    few = trips()
    for _ in range(30):
        deployed.run_deployment("nightly")
    assert trips() == few


def test_a_run_that_does_not_exist_yet_is_explained_by_its_schedule(client, store):
    client.create_from_spec(spec(HOURLY))
    Leadership(store).beat()
    coming = client.preview_work_queue("default", hours=3)[1]
    for ref in (coming.run_id, coming.run_id[:8], coming.name):
        told = client.explain(ref)
        assert (told.id, told.name, told.reasons[0].code) == (coming.run_id, coming.name, "not-made")
    assert told.summary.startswith(
        "it does not exist yet: a schedule of score/nightly makes it in 1 h 39 min, at 2026-03"
    )
    client.pause_deployment("nightly")
    assert client.explain(coming.run_id).reasons[0].command == "headgate deployment resume score/nightly"
    with pytest.raises(NotFound):
        client.explain("00000000-0000-4000-8000-000000000000")
