"""The client's verbs on work queues and agents."""

from datetime import timedelta

import pytest

from orchestrator.errors import Invalid, NotFound
from orchestrator.scheduler.tick import tick
from queues.clock import from_us
from queues.errors import InvalidName, InvalidValue, QueueExists, UnknownQueue
from tests.support.deployments import HOURLY, MINUTE_US, MINUTELY, Worker, spec


def test_a_queue_is_made_listed_and_named_by_the_beginning_of_its_id(client):
    made = client.create_work_queue("ml", limit=2, priority=5)
    assert (made.concurrency_limit, made.priority, made.paused) == (2, 5, False)
    assert client.get_work_queue(made.id[:8]).name == "ml"
    assert [queue.name for queue in client.list_work_queues()] == ["ml", "default"]
    keys = "id name concurrency_limit paused priority queued running late agents limit_until"
    assert list(made.to_json()) == keys.split()


@pytest.mark.parametrize("name", ["", "a b", "../x", "a{b}c", "*", "x" * 129, "Q", "é", "a\0"])
def test_names_that_are_no_names_make_no_queue(client, name):
    with pytest.raises(InvalidName):
        client.create_work_queue(name)
    assert [queue.name for queue in client.list_work_queues()] == ["default"]


def test_existing_unknown_and_impossible_queues_are_refused(client):
    client.create_work_queue("ml")
    with pytest.raises(QueueExists):
        client.create_work_queue("ml")
    with pytest.raises(UnknownQueue, match="did you mean 'ml'"):
        client.pause_work_queue("mll")
    with pytest.raises(InvalidValue, match="pause"):
        client.set_concurrency_limit("ml", 0)


def test_changes_are_shown_with_who_made_them(client):
    client.create_work_queue("ml")
    client.set_concurrency_limit("ml", 3)
    client.pause_work_queue("ml")
    client.resume_work_queue("ml")
    client.clear_concurrency_limit("ml")
    shown = client.get_work_queue("ml")
    assert {change.who for change in shown.changes} == {"ada@lab"}
    told = [(change.what, change.old, change.new) for change in shown.changes[:4]]
    assert told == [("limit", "3", None), ("paused", "yes", "no"), ("paused", "no", "yes"), ("limit", None, "3")]


def test_a_queue_shows_who_holds_its_slots_and_who_listens(client, store):
    client.create_from_spec(spec())
    run = client.run_deployment("nightly")
    Worker(store, "ant").start()
    shown = client.get_work_queue("default")
    assert [holder.run_id for holder in shown.holders] == [run.id]
    assert (shown.agent_names, shown.deployments, shown.running) == (("ant",), ("score/nightly",), 1)


def test_the_preview_has_waiting_delayed_and_coming_runs_in_order(client, store):
    client.create_from_spec(spec(HOURLY))
    waiting = client.run_deployment("nightly")
    delayed = client.run_deployment("nightly", at=from_us(store.scripts.now_us()) + timedelta(minutes=1))
    store.travel(20_000_000)
    rows = client.preview_work_queue("default", hours=3)
    assert len(rows) == 5
    assert [(row.run_id, row.state) for row in rows if row.state] == [(waiting.id, "QUEUED"), (delayed.id, "SCHEDULED")]
    assert rows[0].late and rows[0].why == "no agent listens to default"
    assert [row.scheduled_start_time for row in rows] == sorted(row.scheduled_start_time for row in rows)
    keys = "scheduled_start_time run_id name deployment_id deployment late"
    assert list(rows[0].to_json())[:6] == keys.split()


def test_a_preview_leaves_out_other_queues_and_paused_deployments(client, store):
    client.create_work_queue("ml")
    client.create_from_spec(spec(HOURLY, work_queue="ml"))
    client.create_from_spec(spec(HOURLY, name="other"))
    client.pause_deployment("other")
    assert client.preview_work_queue("default") == []
    assert {row.deployment for row in client.preview_work_queue("ml")} == {"score/nightly"}
    with pytest.raises(Invalid, match="hours"):
        client.preview_work_queue("ml", hours=0)


def test_while_no_scheduler_runs_the_preview_shows_the_missed_instant_that_will_run(client, store):
    client.create_from_spec(spec(MINUTELY))
    store.travel(10 * MINUTE_US)
    first = client.preview_work_queue("default", hours=0.1)[0]
    tick(store)
    assert [run.id for run in client.list_flow_runs()] == [first.run_id]


def test_agents_are_listed_inspected_and_asked(client, store):
    worker = Worker(store, "ant-1")
    client.create_from_spec(spec())
    client.run_deployment("nightly")
    claim = worker.start()
    (listed,) = client.list_agents()
    fields = "id name host pid queues limit running state last_heartbeat preparing labels"
    assert " ".join(listed.to_json()) == fields
    assert [run.id for run in client.get_agent(listed.id[:8]).runs] == [claim.run_id]
    client.drain_agent("ant-1")
    assert store.presence.get("ant-1").request == "drain"
    with pytest.raises(NotFound) as unknown:
        client.stop_agent("ant-2")
    assert "ant-1" in unknown.value.hint


def test_an_agent_that_fell_silent_is_lost_and_listens_no_more(client, store):
    Worker(store, "ant")
    store.travel(60_000_000)
    assert client.list_agents()[0].state == "lost"
    assert client.get_work_queue("default").agent_names == ()
