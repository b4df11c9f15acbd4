"""A leader that is frozen in mid-pass for longer than it leads, and then goes on: it writes nothing wrong."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.store import LogRecord
from tests.orchestrator.scheduler.test_silence import new_passes, renew, turn
from tests.queues.floor import Floor
from tests.queues.oracle import check, look
from tests.support.deployments import MINUTE_US, MINUTELY, Worker, spec
from tests.support.redis_server import die_with_parent
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
SECOND_US = 1_000_000
DAY_US = 24 * 60 * MINUTE_US


@pytest.fixture
def freeze(store, redis_url):
    """Starts a scheduler that leads and is frozen before a script; call what is given to let it go on to its end."""
    started = []

    def begin(verb):
        words = [sys.executable, str(Path(__file__).with_name("freezer.py")), redis_url]
        command = [*words, str(store.scripts.offset_us), verb]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, env=environment, preexec_fn=die_with_parent, stdout=subprocess.DEVNULL)
        started.append(process)
        wait_until(lambda: frozen(process), within=20, message="the scheduler to freeze itself")
        return lambda: go_on(process)

    yield begin
    for process in started:
        process.kill()
        process.wait(10)


def frozen(process):
    """Whether the process has stopped itself."""
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    assert state != "Z", "it ended before it got there"
    return state == "T"


def go_on(process):
    process.send_signal(signal.SIGCONT)
    assert process.wait(20) == 0


def instants(store, deployment):
    """How many runs there are, and how many instants are recorded as skipped; no instant has two."""
    runs = store.runs.page(1000)
    assert len({run.due_us for run in runs}) == len(runs)
    return len(runs), sum(skip.count for skip in store.schedules.skips(deployment, 1000))


@pytest.mark.parametrize("verb", ["begin_instants", "create", "advance_schedules"])
def test_between_the_steps_of_an_instant(store, client, freeze, verb):
    deployment = client.create_from_spec(spec(MINUTELY, max_waiting=1000)).id
    store.travel(MINUTE_US)
    go_on = freeze(verb)
    store.travel(MINUTE_US)
    second = new_passes(store)
    turn(second)
    assert second.leading and sum(instants(store, deployment)) == 2
    before = instants(store, deployment)
    key = store.keys.schedule(deployment)
    cursor = store.scripts.redis.hget(key, "cursor:default")
    go_on()
    assert instants(store, deployment) == before and store.scripts.redis.hget(key, "cursor:default") == cursor
    store.travel(MINUTE_US)
    turn(second)
    assert sum(instants(store, deployment)) == 3
    check(look(Floor(store.scripts)))


def test_before_it_expires_leases(store, client, freeze):
    """The agent renewed meanwhile: what the frozen one was about to take back has an owner again."""
    client.create_from_spec(spec())
    client.run_deployment("nightly")
    worker = Worker(store)
    claim = worker.start()
    store.travel(33 * SECOND_US)
    go_on = freeze("expire")
    store.travel(10 * SECOND_US)
    turn(new_passes(store))
    assert store.records.get(claim.run_id).state == "QUEUED", "the second one has taken it back"
    again = worker.start()
    go_on()
    assert renew(worker, again) == {claim.run_id} and store.records.get(claim.run_id).lost == 1
    check(look(Floor(store.scripts)))


@pytest.mark.parametrize("verb", ["forget", "drop_logs"])
def test_before_it_forgets_a_run(store, client, freeze, verb):
    client.create_from_spec(spec())
    old = client.run_deployment("nightly")
    worker = Worker(store)
    claim = worker.start()
    store.logs.append(claim.run_id, claim.token, claim.attempt, 1, [LogRecord(1, 0, 20, "hello")])
    worker.finish(claim)
    store.travel(31 * DAY_US)
    young = client.run_deployment("nightly")
    go_on = freeze(verb)
    store.travel(10 * SECOND_US)
    turn(new_passes(store))
    worker.run_one()
    go_on()
    assert store.records.get(old.id) is None and store.records.get(young.id).state == "COMPLETED"


@pytest.mark.parametrize("verb", ["promote", "repair"])
def test_before_it_puts_runs_in_line(store, client, freeze, verb):
    from queues.clock import from_us

    client.create_from_spec(spec())
    run = client.run_deployment("nightly", at=from_us(store.scripts.now_us() + SECOND_US))
    store.travel(2 * SECOND_US)
    go_on = freeze(verb)
    store.travel(10 * SECOND_US)
    turn(new_passes(store))
    claim = Worker(store).start()
    go_on()
    assert claim.run_id == run.id and store.records.get(run.id).state == "RUNNING"
    check(look(Floor(store.scripts)))
