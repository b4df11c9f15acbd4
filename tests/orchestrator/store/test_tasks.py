"""Task runs in Redis."""

import uuid

import pytest

from orchestrator.store import TaskRecord, tasks
from queues.runs import NewRun


@pytest.fixture
def run(store):
    run_id = str(uuid.uuid4())
    store.records.create([NewRun(id=run_id, queue="default", actor="test")])
    return run_id


def task(number, state="RUNNING", **more):
    return TaskRecord(id=f"read-{number}", name="read", attempt=1, state=state, started_us=number, **more)


def test_a_task_run_is_written_whole_each_time_and_read_back_in_order(store, run):
    store.tasks.record(run, [task(2), task(1)])
    store.tasks.record(run, [task(1, "COMPLETED", ended_us=50)])
    read = store.tasks.read(run)
    assert [(one.id, one.state, one.started_us, one.ended_us) for one in read] == [
        ("read-1", "COMPLETED", 1, 50),
        ("read-2", "RUNNING", 2, None),
    ]


def test_task_runs_of_a_forgotten_run_leave_nothing(store):
    gone = str(uuid.uuid4())
    store.tasks.record(gone, [task(1)])
    assert not store.scripts.redis.exists(store.keys.tasks(gone))


def test_a_run_keeps_a_bounded_number_of_task_runs(store, run, monkeypatch):
    monkeypatch.setattr(tasks, "MOST_PER_RUN", 3)
    store.tasks.record(run, [task(1), task(2), task(3)])
    store.tasks.record(run, [task(4), task(1, "COMPLETED", ended_us=9)])
    assert [(one.id, one.state) for one in store.tasks.read(run)] == [
        ("read-1", "COMPLETED"),
        ("read-2", "RUNNING"),
        ("read-3", "RUNNING"),
    ]


def test_a_reason_is_cut_and_an_unstarted_task_comes_last(store, run):
    waiting = TaskRecord(id="a", name="a", attempt=1, state="FAILED", reason="x" * 1000)
    store.tasks.record(run, [waiting, task(1)])
    read = store.tasks.read(run)
    assert [one.id for one in read] == ["read-1", "a"]
    assert len(read[1].reason) == tasks.LONGEST_REASON
