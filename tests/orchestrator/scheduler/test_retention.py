"""Retention removes what is older than it is kept, completely."""

from orchestrator.scheduler.retention import Retention
from orchestrator.scheduler.tick import tick
from orchestrator.store import LogRecord, TaskRecord
from tests.support.deployments import MINUTE_US, MINUTELY, Worker, spec

HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


def run_one(store, worker, **outcome):
    """A run with a log, a task and a result."""
    claim = worker.start()
    store.logs.append(claim.run_id, claim.token, claim.attempt, 1, [LogRecord(1, 1, 20, "hello")])
    store.tasks.record(claim.run_id, [TaskRecord(id="a", name="a", attempt=1, state="COMPLETED")])
    worker.finish(claim, data={"result": b"1"}, **outcome)
    return claim.run_id


def keys(store):
    """All keys but those of the installation as a whole, and the answers kept for ten minutes."""
    kept = {"events", "changes", "counters", "counted", "token", "request", "ends"}
    return {key for key in store.scripts.redis.keys("*") if key.decode().split(":")[1] not in kept}


def all_steps(retention):
    while retention.step().more:
        pass


def test_after_thirty_days_every_key_of_a_run_is_gone(store, client):
    client.create_from_spec(spec())
    worker = Worker(store)
    client.run_deployment("nightly", {"a": 1})
    run_one(store, worker)
    before = keys(store)
    forgotten = []
    for state in ("COMPLETED", "FAILED", "CRASHED"):
        client.run_deployment("nightly", {"a": 1})
        forgotten.append(run_one(store, worker, state=state))
    cancelled = client.run_deployment("nightly", {"a": 1})
    client.cancel(cancelled.id)
    store.travel(31 * DAY_US)
    all_steps(Retention(store))
    assert store.records.get_many(forgotten) == [None, None, None]
    assert keys(store) < before
    assert not [key for key in keys(store) if b"run" in key and b"agentruns" not in key]


def test_a_run_is_kept_for_thirty_days_from_its_end_however_long_it_waited(store, client):
    client.create_from_spec(spec())
    client.run_deployment("nightly")
    store.travel(40 * DAY_US)
    run = Worker(store).run_one()
    all_steps(Retention(store))
    assert store.records.get(run) is not None
    store.travel(31 * DAY_US)
    all_steps(Retention(store))
    assert store.records.get(run) is None


def test_logs_go_after_seven_days_and_the_run_says_so(store, client):
    client.create_from_spec(spec())
    client.run_deployment("nightly")
    run = run_one(store, Worker(store))
    store.travel(8 * DAY_US)
    all_steps(Retention(store))
    (line,) = client.read_logs(run)
    assert (line.source, "older" in line.message) == ("gap", True)
    assert client.read_logs(run, after=line.position) == []
    assert client.get_flow_run(run).state == "COMPLETED"


def test_many_old_runs_go_in_small_steps(store, client):
    client.create_from_spec(spec())
    for _ in range(130):
        client.cancel(client.run_deployment("nightly").id)
    store.travel(31 * DAY_US)
    retention = Retention(store)
    steps = [retention.step() for _ in range(3)]
    assert [(step.runs, step.more) for step in steps] == [(100, True), (30, False), (0, False)]


def test_runs_that_waited_long_and_ended_lately_hide_no_old_ones(store, client):
    client.create_from_spec(spec())
    waited = [client.run_deployment("nightly").id for _ in range(230)]
    old = [client.run_deployment("nightly").id for _ in range(3)]
    for run in old:
        client.cancel(run)
    store.travel(20 * DAY_US)
    for run in waited:
        client.cancel(run)
    store.travel(11 * DAY_US)
    all_steps(Retention(store))
    assert store.records.get_many(old) == [None] * 3
    assert None not in store.records.get_many(waited)


def test_hours_whose_runs_are_gone_are_forgotten(store, client):
    client.create_from_spec(spec())
    client.cancel(client.run_deployment("nightly").id)
    store.travel(31 * DAY_US)
    client.cancel(client.run_deployment("nightly").id)
    all_steps(Retention(store))
    Retention(store).trim()
    (hour,) = store.scripts.redis.hkeys(store.keys.ends("CANCELLED"))
    assert int(hour) == store.scripts.now_us() // HOUR_US


def test_unfinished_runs_are_never_forgotten(store, client):
    client.create_from_spec(spec())
    waiting, held = client.run_deployment("nightly"), client.run_deployment("nightly")
    Worker(store).start()
    store.travel(400 * DAY_US)
    all_steps(Retention(store))
    assert None not in store.records.get_many([waiting.id, held.id])


def test_old_skips_and_specs_are_trimmed(store, client):
    deployment = client.create_from_spec(spec(MINUTELY)).id
    store.travel(10 * MINUTE_US)
    tick(store)
    for number in range(30):
        client.create_from_spec(spec(MINUTELY, tags=[f"t{number}"]))
    run = Worker(store).run_one()

    def kept_specs():
        return [name for name in store.scripts.redis.hkeys(store.keys.specs(deployment)) if name.isdigit()]

    Retention(store).trim()
    assert len(kept_specs()) == 31, "the run was made from the first of them, and is shown with it"
    store.travel(31 * DAY_US)
    all_steps(Retention(store))
    assert store.records.get(run) is None
    Retention(store).trim()
    assert len(kept_specs()) == 10
    store.travel(-31 * DAY_US)
    assert store.schedules.skips(deployment)
    server_us = store.scripts.now_us() - store.scripts.offset_us  # entries of a stream carry the server's own time
    store.schedules.trim_skips([deployment], before_us=server_us + 1_000_000)
    assert store.schedules.skips(deployment) == []


def test_very_many_deployments_are_trimmed_in_small_steps(store, client):
    for number in range(600):
        store.deployments.put(str(number), spec(name=f"d{number}"), [], "test")
    for number in range(25):
        client.create_from_spec(spec(MINUTELY, tags=[f"t{number}"]))
    store.travel(31 * DAY_US)
    retention = Retention(store)
    steps = [retention.trim()]
    while steps[-1]:
        steps.append(retention.trim())
    assert len(steps) > 5
    assert store.scripts.redis.hlen(store.keys.specs(client.get_deployment("nightly").id)) == 20
