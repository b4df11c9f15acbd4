"""The client's verbs on flow runs."""

import threading

import pytest

from orchestrator.client import Client
from orchestrator.errors import Invalid, RefusedByState
from orchestrator.store import LogRecord, Store, TaskRecord
from tests.support.deployments import Worker, spec


@pytest.fixture
def deployed(client):
    client.create_from_spec(spec(tags=["ml"]))
    return client


def write(store, claim, first, *texts):
    records = [LogRecord(1_000_000 * number, 0, 20, text) for number, text in enumerate(texts, first)]
    store.logs.append(claim.run_id, claim.token, claim.attempt, first, records)


def messages(lines):
    return [line.message for line in lines]


def test_a_finished_run_is_shown_with_everything(deployed, store):
    run = deployed.run_deployment("nightly", {"a": 1})
    worker = Worker(store, "ant")
    claim = worker.start()
    store.tasks.record(
        run.id, [TaskRecord(id="t-1", name="read", attempt=1, state="COMPLETED", started_us=1, ended_us=2)]
    )
    worker.finish(claim, data={"result": b'{"rows": 3}'}, fields={"exit_code": 0})
    shown = deployed.get_flow_run(run.name).to_json()
    assert (shown["state"], shown["state_name"], shown["agent"], shown["attempt"]) == (
        "COMPLETED",
        "Completed",
        "ant",
        1,
    )
    assert (shown["result"], shown["exit_code"], shown["parameters"]) == ({"rows": 3}, 0, {"a": 1})
    assert (shown["tasks"][0]["name"], shown["tags"], shown["created_by"]) == ("read", ["ml"], "ada@lab")
    assert [move["state"] for move in shown["state_history"]] == ["QUEUED", "PENDING", "RUNNING", "COMPLETED"]
    assert shown["end_time"] >= shown["start_time"] >= shown["scheduled_start_time"]


def test_the_keys_of_a_listed_run_are_those_that_scripts_rely_on(deployed):
    deployed.run_deployment("nightly")
    keys = (
        "id name flow deployment state state_name work_queue scheduled_start_time start_time end_time attempt agent why"
    )
    assert list(deployed.list_flow_runs()[0].to_json()) == keys.split()


def test_a_failed_run_tells_reason_signal_and_error(deployed, store):
    run = deployed.run_deployment("nightly")
    worker = Worker(store)
    worker.finish(
        worker.start(),
        "CRASHED",
        reason="killed by signal 9, likely out of memory",
        fields={"signal": "SIGKILL"},
        data={"error": b"Traceback: x"},
    )
    shown = deployed.get_flow_run(run.id)
    assert (shown.signal, shown.error, shown.exit_code) == ("SIGKILL", "Traceback: x", None)
    assert shown.why == shown.reason == "killed by signal 9, likely out of memory"


def test_lists_are_filtered_by_deployment_queue_and_state(deployed):
    deployed.create_from_spec(spec(name="other"))
    first, second = deployed.run_deployment("nightly"), deployed.run_deployment("other")
    deployed.cancel(second.id)
    assert [run.id for run in deployed.list_flow_runs(deployment="other")] == [second.id]
    assert [run.id for run in deployed.list_flow_runs(states=["queued"])] == [first.id]
    assert len(deployed.list_flow_runs(work_queue="default")) == 2
    with pytest.raises(Invalid, match="SCHEDULED"):
        deployed.list_flow_runs(states=["DONE"])


def test_a_run_that_waits_too_long_is_late(deployed, store):
    run = deployed.run_deployment("nightly")
    store.travel(16_000_000)
    shown = deployed.get_flow_run(run.id)
    assert (shown.state, shown.state_name, shown.why) == ("QUEUED", "Late", "no agent listens to default")


def test_cancel_ends_a_waiting_run_asks_for_a_held_one_and_is_the_same_twice(deployed, store):
    waiting = deployed.run_deployment("nightly")
    assert deployed.cancel(waiting.name).state == "CANCELLED"
    held = deployed.run_deployment("nightly")
    Worker(store).start()
    assert [deployed.cancel(held.id).state for _ in range(2)] == ["CANCELLING", "CANCELLING"]


def test_a_finished_run_can_not_be_cancelled_and_a_running_one_not_retried(deployed, store):
    run = deployed.run_deployment("nightly")
    worker = Worker(store)
    claim = worker.start()
    with pytest.raises(RefusedByState, match=f"{run.name} is RUNNING since"):
        deployed.retry(run.id)
    worker.finish(claim)
    with pytest.raises(RefusedByState, match=f"{run.name} is COMPLETED since") as refused:
        deployed.cancel(run.id)
    assert refused.value.exit_code == 4


def test_a_retry_is_a_new_run_with_the_same_parameters(deployed, store):
    run = deployed.run_deployment("nightly", {"a": 1})
    Worker(store).run_one(state="FAILED")
    again = deployed.get_flow_run(deployed.retry(run.id, request_id="r").id)
    assert (again.retry_of, again.parameters, again.state) == (run.id, {"a": 1}, "QUEUED")
    assert deployed.retry(run.id, request_id="r").id == again.id


def test_a_run_of_a_deleted_deployment_can_not_be_retried(deployed, store):
    run = deployed.run_deployment("nightly")
    Worker(store).run_one()
    deployed.delete_deployment("nightly")
    with pytest.raises(RefusedByState, match="was deleted"):
        deployed.retry(run.id)


def test_logs_are_read_in_order_and_from_a_position(deployed, store):
    run = deployed.run_deployment("nightly")
    claim = Worker(store).start()
    write(store, claim, 1, "one", "two")
    write(store, claim, 3, "three")
    lines = deployed.read_logs(run.id)
    assert messages(lines) == ["one", "two", "three"]
    assert messages(deployed.read_logs(run.id, after=lines[1].position)) == ["three"]
    with pytest.raises(Invalid, match="1-250"):
        deployed.read_logs(run.id, after="yesterday")


def test_missing_lines_are_marked_by_a_line_that_says_how_many(deployed, store):
    run = deployed.run_deployment("nightly")
    claim = Worker(store, "ant").start()
    write(store, claim, 1, "first")
    write(store, claim, 501, "later")
    first, gap, later = deployed.read_logs(run.id)
    assert (gap.source, gap.sequence, later.sequence) == ("gap", 500, 501)
    assert "499 lines" in gap.message
    assert messages(deployed.read_logs(run.id, after=gap.position)) == ["later"]
    assert first.message == "first"


def test_following_a_log_gives_each_line_as_it_comes_and_ends_with_the_run(deployed, store, redis):
    run = deployed.run_deployment("nightly")
    worker = Worker(Store(redis))
    claim = worker.start()
    write(store, claim, 1, "one")
    lines = deployed.follow_logs(run.id)
    assert next(lines).message == "one"

    def go_on():
        write(worker.store, claim, 2, "two")
        worker.finish(claim)

    thread = threading.Thread(target=go_on)
    thread.start()
    assert messages(lines) == ["two"]
    thread.join()


def test_following_a_log_waits_for_lines_that_come_after_the_end(deployed, store, redis):
    run = deployed.run_deployment("nightly")
    worker = Worker(Store(redis))
    claim = worker.start()
    write(store, claim, 1, "one")
    worker.finish(claim)
    redis.hset(store.keys.run(run.id), "last_line", "1-2")
    lines = deployed.follow_logs(run.id)
    assert next(lines).message == "one"
    write(store, claim, 2, "two")
    assert messages(lines) == ["two"]


def test_a_gap_says_on_which_machine_its_lines_are(deployed, store, redis):
    run = deployed.run_deployment("nightly")
    claim = Worker(Store(redis), "ant").start()
    write(store, claim, 1, "one")
    write(store, claim, 10, "ten")
    redis.hset(store.keys.run(run.id), "log_rest", "worker-7:/kept/x.*")
    gap = next(line for line in deployed.read_logs(run.id) if line.source == "gap")
    assert "8 lines" in gap.message and "agent ant has them in worker-7:/kept/x.*" in gap.message


def test_watching_a_run_shows_each_of_its_moves(deployed, store):
    run = deployed.run_deployment("nightly")
    worker = Worker(store)
    moves = deployed.watch(run.id)
    states = [next(moves).state]
    worker.run_one()
    states += [shown.state for shown in moves]
    assert states == ["QUEUED", "PENDING", "RUNNING", "COMPLETED"]


def test_a_watch_sees_the_end_though_the_clock_of_redis_was_set_back(deployed, store):
    run, worker = deployed.run_deployment("nightly"), Worker(store)
    moves = deployed.watch(run.id)
    assert next(moves).state == "QUEUED"
    claim = worker.start()
    assert [next(moves).state, next(moves).state] == ["PENDING", "RUNNING"]
    store.travel(-5_000_000)
    worker.finish(claim)
    assert [shown.state for shown in moves] == ["COMPLETED"]


def test_watching_ends_at_its_time_out(deployed):
    run = deployed.run_deployment("nightly")
    assert [shown.state for shown in deployed.watch(run.id, timeout=0.05)] == ["QUEUED"]


def test_an_actor_is_one_word_in_every_history(store):
    client = Client(store, actor="Ada Lovelace\n(lab)")
    client.create_from_spec(spec())
    run = client.run_deployment("nightly")
    assert store.records.get(run.id).history[0].actor == "Ada-Lovelace-(lab)"
