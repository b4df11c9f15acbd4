"""Clearing and deleting work queues: what goes, what stays, and what is refused."""

from datetime import timedelta

import pytest

from orchestrator.errors import Invalid, RefusedByState
from orchestrator.store.queue_use import QueueUse
from queues.clock import from_us
from queues.errors import UnknownQueue
from tests.support.deployments import MINUTELY, Worker, spec


def later(store, minutes=5):
    """A time to come."""
    return from_us(store.scripts.now_us()) + timedelta(minutes=minutes)


def dump(store):
    """All that stands in Redis, but which server was met."""
    redis = store.scripts.redis
    return {key: redis.dump(key) for key in redis.scan_iter() if key != store.keys.recovery.encode()}


@pytest.fixture
def busy(client, store):
    """The queue ml: one run runs, one is parked, two stand in line, one is delayed; another waits on default."""
    client.create_work_queue("ml", limit=4)
    client.set_tag_limit("gpu", 1)
    client.create_from_spec(spec(work_queue="ml", tags=["gpu"], name="gpu"))
    client.create_from_spec(spec(work_queue="ml"))
    client.create_from_spec(spec(name="other"))
    runs = {"running": client.run_deployment("gpu"), "parked": client.run_deployment("gpu")}
    worker = Worker(store, "ant", ("ml",))
    worker.start()
    worker.claim()
    runs |= {name: client.run_deployment("nightly") for name in ("first", "second")}
    return runs | {
        "delayed": client.run_deployment("nightly", at=later(store)),
        "other": client.run_deployment("other"),
    }


def states(client, runs):
    return {name: client.get_flow_run(run.id).state for name, run in runs.items()}


def test_clearing_a_queue_cancels_what_waits_and_nothing_else(client, busy):
    told = []
    done = client.clear_work_queue("ml", progress=told.append)
    assert (done.waiting, done.cancelled, told) == (4, 4, [4])
    cancelled = dict.fromkeys(("parked", "first", "second", "delayed"), "CANCELLED")
    assert states(client, busy) == {"running": "RUNNING", "other": "QUEUED"} | cancelled
    last = client.get_flow_run(busy["first"].id).state_history[-1]
    assert (last.actor, last.reason) == ("ada@lab", "work queue ml was cleared")
    assert client.clear_work_queue("ml").waiting == 0


def test_clearing_may_spare_the_runs_that_are_due_or_those_that_are_not(client, busy):
    assert client.clear_work_queue("ml", states=["scheduled"]).cancelled == 1
    assert client.clear_work_queue("ml", states=["QUEUED"]).cancelled == 3
    with pytest.raises(Invalid, match="QUEUED or SCHEDULED"):
        client.clear_work_queue("ml", states=["RUNNING"])


def test_a_dry_run_counts_and_changes_nothing(client, store, busy):
    before = dump(store)
    assert client.clear_work_queue("ml", dry_run=True).waiting == 4
    assert dump(store) == before


def test_a_run_that_was_claimed_or_moved_meanwhile_is_not_cancelled(client, store, busy):
    ids = [busy[name].id for name in ("running", "first", "second", "other")]
    store.records.transfer([busy["second"].id], "default", actor="bob")
    steps = store.records.cancel_waiting(ids, queue="ml", states=["QUEUED"], actor="ada")
    assert list(steps) == [1] and states(client, busy)["first"] == "CANCELLED"


def test_a_queue_that_is_needed_is_kept_and_says_by_what(client, store, busy):
    before = dump(store)
    with pytest.raises(RefusedByState) as refused:
        client.delete_work_queue("ml")
    assert str(refused.value) == (
        "the work queue ml is needed by flow runs (4 waiting and 1 running), the deployment score/gpu, "
        "the deployment score/nightly"
    )
    assert "set-work-queue score/gpu" in refused.value.hint and "work-queue slots ml" in refused.value.hint
    assert dump(store) == before


def test_the_queue_default_always_exists(client, store):
    before = dump(store)
    with pytest.raises(RefusedByState, match="always exists"):
        client.delete_work_queue("default")
    assert dump(store) == before


def test_a_deleted_queue_leaves_nothing_and_can_be_made_anew(client, store):
    client.create_work_queue("ml", limit=4)
    client.set_concurrency_limit("ml", 6, lasts_seconds=60)
    Worker(store, "ant", ("ml",)).claim()
    Worker(store, "bee", ("ml",), instance="1")
    store.presence.unregister("bee", "1")
    assert client.delete_work_queue("ml", dry_run=True).listening_agents == ("ant",)
    assert client.delete_work_queue("ml").name == "ml"
    with pytest.raises(UnknownQueue):
        client.get_work_queue("ml")
    left = [key for key in store.scripts.redis.scan_iter() if b":ml" in key]
    assert left == [b"{headgate}:rq:workers:ml"], "its agent is there still, also for rq tools"
    assert not store.scripts.redis.exists(store.keys.reverts, store.keys.reverts_to, store.keys.listened)
    client.create_work_queue("ml")
    shown = client.get_work_queue("ml")
    assert shown.concurrency_limit is None and [change.what for change in shown.changes[:2]] == ["created", "deleted"]


@pytest.mark.parametrize("meanwhile", ["deployment", "delayed run", "queued run"])
def test_what_comes_to_need_a_queue_while_it_is_deleted_keeps_it(client, store, monkeypatch, meanwhile):
    client.create_work_queue("ml")
    client.create_work_queue("side")
    client.create_from_spec(spec(MINUTELY, name="other", work_queue="side"))
    look, looked = QueueUse._look, []

    def and_then(self, queue):
        found = look(self, queue)
        if not looked.append(1) and len(looked) == 1:
            if meanwhile == "deployment":
                client.create_from_spec(spec(work_queue="ml"))
            else:
                run = client.run_deployment("other", at=later(store) if meanwhile == "delayed run" else None)
                store.records.transfer([run.id], "ml", actor="bob")
        return found

    monkeypatch.setattr(QueueUse, "_look", and_then)
    with pytest.raises(RefusedByState, match="is needed by"):
        client.delete_work_queue("ml")
    assert len(looked) == 2 and client.get_work_queue("ml").name == "ml"


def test_runs_whose_deployment_is_gone_keep_their_queue(client, store, busy):
    client.delete_deployment("nightly")
    client.delete_deployment("gpu")
    with pytest.raises(RefusedByState, match=r"is needed by flow runs \(1 running\)$"):
        client.delete_work_queue("ml")
