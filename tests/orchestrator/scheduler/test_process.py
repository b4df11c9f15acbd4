"""The scheduler as a process: signals, standby, kill -9 of itself and of Redis."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.client import Client
from orchestrator.schedules import IntervalSchedule
from orchestrator.store import Store
from queues.connection import connect
from tests.support.deployments import Worker, spec
from tests.support.redis_server import die_with_parent
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
SECONDLY = IntervalSchedule(timedelta(seconds=1))
CODE = "from orchestrator.scheduler.process import main; main()"


@pytest.fixture
def url(own_redis):
    return own_redis.url


@pytest.fixture
def start(url, tmp_path):
    """Starts scheduler processes; they are killed by their ids at the end."""
    started = []
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HEADGATE_REDIS_URL": url,
        "HOME": str(tmp_path),
    }
    environment |= {"HEADGATE_LEASE_SECONDS": "2", "HEADGATE_RENEW_SECONDS": "0.5", "HEADGATE_GRACE_SECONDS": "0.5"}

    def begin():
        words = [sys.executable, "-P", "-c", CODE]
        started.append(subprocess.Popen(words, env=environment, preexec_fn=die_with_parent, stdout=subprocess.DEVNULL))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait(10)


@pytest.fixture
def busy(url):
    """A client with a deployment that is due every second."""
    client = Client(Store(connect(url)), actor="ada")
    client.create_from_spec(spec(SECONDLY, max_waiting=1000))
    return client


def made(client):
    return client.store.runs.page(1000)


def leader(client):
    return client.store.scripts.redis.hget(client.store.keys.leader, "owner")


def grows(client, by=2):
    count = len(made(client))
    wait_until(lambda: len(made(client)) >= count + by, within=20)


def test_instants_become_runs_right_at_their_time(start, busy):
    start()
    grows(busy, 3)
    late = [run.created_us - run.due_us for run in made(busy)[:3]]
    assert min(late) > 0
    assert min(late) < 100_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second(start, busy, number):
    process = start()
    wait_until(lambda: leader(busy), within=20)
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 1.0
    assert leader(busy) is None


@pytest.mark.slow
def test_a_standby_takes_over_at_once_from_one_that_ends_and_soon_from_one_that_is_killed(start, busy):
    first = start()
    owner = wait_until(lambda: leader(busy), within=20)
    second = start()
    grows(busy)
    first.terminate()
    next_owner = wait_until(lambda: leader(busy) not in (None, owner) and leader(busy), within=5)
    start()
    grows(busy)
    second.kill()
    wait_until(lambda: leader(busy) not in (None, next_owner), within=15)
    grows(busy)
    dues = [run.due_us for run in made(busy)]
    assert len(dues) == len(set(dues))


def test_kill_9_of_redis_is_waited_out_and_no_instant_is_lost_or_doubled(start, busy, own_redis, url):
    process = start()
    grows(busy)
    own_redis.kill()
    own_redis.restart()
    busy = Client(Store(connect(url)), actor="ada")
    grows(busy)
    assert process.poll() is None
    runs = made(busy)
    deployment = busy.get_deployment("nightly").id
    dues = sorted(run.due_us for run in runs)
    assert len(dues) == len(set(dues))
    # What came due before a slow start is one skip before the first run.
    skips = sum(skip.count for skip in busy.store.schedules.skips(deployment) if skip.first_us > dues[0])
    assert len(dues) + skips == (dues[-1] - dues[0]) // 1_000_000 + 1


def test_a_delayed_run_starts_when_a_wake_up_tells_of_it(start, busy):
    busy.delete_deployment("nightly")
    busy.create_from_spec(spec())
    start()
    wait_until(lambda: leader(busy), within=20)
    run = busy.run_deployment("nightly", at=soon(busy))
    wait_until(lambda: busy.store.records.get(run.id).state == "QUEUED", within=5)
    moves = busy.store.records.get(run.id).history
    assert 0 <= moves[-1].at_us - busy.store.records.get(run.id).due_us < 200_000


def soon(client):
    from queues.clock import from_us

    return from_us(client.store.scripts.now_us() + 400_000)


def test_runs_of_a_lost_agent_come_back_after_lease_and_grace(start, busy):
    busy.delete_deployment("nightly")
    busy.create_from_spec(spec())
    start()
    wait_until(lambda: leader(busy), within=20)
    busy.run_deployment("nightly")
    worker = Worker(busy.store)
    worker.claims._lease_us = 1_000_000
    claim = worker.start()
    run = wait_until(lambda: queued_again(busy, claim.run_id), within=10)
    taken = run.history[-1].at_us - claim.deadline_us
    assert 500_000 <= taken < 1_500_000


def queued_again(client, run_id):
    run = client.store.records.get(run_id)
    return run if run.state == "QUEUED" else None


@pytest.mark.slow
def test_the_standby_leads_within_eight_seconds_of_kill_9(start, busy):
    first = start()
    owner = wait_until(lambda: leader(busy), within=20)
    start()
    grows(busy)
    first.kill()
    killed = busy.store.scripts.now_us()
    wait_until(lambda: leader(busy) not in (None, owner), within=20, every=0.05)
    assert busy.store.scripts.now_us() - killed <= 8_000_000
    grows(busy)
