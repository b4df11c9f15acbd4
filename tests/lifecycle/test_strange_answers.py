"""Redis that turns against its users, in reality where it can: a scheduler and an agent wait, and say so once."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import redis as redis_py

from queues.errors import OutOfMemory
from queues.states import State
from tests.lifecycle.test_cut_off import AWAY, NOT_AWAY, until_passed
from tests.lifecycle.test_outages import WAITS
from tests.lifecycle.worksite import Site, is_running
from tests.support.meddler import Meddler
from tests.support.redis_server import die_with_parent
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

SCHEDULER = "from orchestrator.scheduler.process import main; main()"


class Scheduler:
    """A scheduler process and what it said."""

    def __init__(self, site: Site, url: str) -> None:
        self.log = site.folder / "agent-scheduler.log"
        settings = {"HEADGATE_LEASE_SECONDS": "2", "HEADGATE_RENEW_SECONDS": "0.3", "HEADGATE_GRACE_SECONDS": "0.3"}
        with open(self.log, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SCHEDULER],
                env={**os.environ, **settings, "HEADGATE_REDIS_URL": url},
                stderr=file,
                preexec_fn=die_with_parent,
            )

    def said(self) -> str:
        """All of it."""
        return self.log.read_text()

    def leads_again(self, site: Site) -> None:
        """Wait until it works."""
        site.store.scripts.redis.delete(site.store.keys.leader)
        wait_until(lambda: site.store.scripts.redis.hget(site.store.keys.leader, "owner"), 15, message=self.said)
        assert self.process.poll() is None and "Traceback" not in self.said()

    def close(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def scheduler(site: Site, url: str) -> Iterator[Scheduler]:
    """A scheduler that leads."""
    made = Scheduler(site, url)
    try:
        wait_until(lambda: "leads" in made.said(), 20, message=made.said)
        yield made
    finally:
        made.close()


def test_a_scheduler_waits_through_every_strange_answer_and_says_so_once(site: Site) -> None:
    with Meddler(str(site.redis.socket)) as meddler, scheduler(site, meddler.url) as process:
        for words in {**AWAY, **NOT_AWAY}.values():
            before = meddler.meddled
            meddler.say(words)
            wait_until(lambda before=before: meddler.meddled >= before + 2, 10)  # type: ignore[misc]
            meddler.mode = "pass"
        process.leads_again(site)
        assert process.said().count("redis_away") == 1


@contextlib.contextmanager
def replica(client: redis_py.Redis) -> Iterator[None]:
    """The server is a replica; whoever waits there is told so by -UNBLOCKED."""
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    yield
    client.execute_command("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def busy(client: redis_py.Redis) -> Iterator[None]:
    """The server runs a script without an end."""
    client.config_set("lua-time-limit", 50)
    other = redis_py.Redis(unix_socket_path=client.get_connection_kwargs()["path"], socket_timeout=30)

    def run() -> None:
        with contextlib.suppress(redis_py.RedisError):
            other.execute_command("EVAL", "while true do end", 0)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    client.execute_command("SCRIPT", "KILL")
    thread.join(5)


@pytest.mark.parametrize("trouble", [replica, busy])
def test_a_server_that_takes_no_changes_for_a_while_costs_no_run(site: Site, trouble: object) -> None:
    site.deploy(WAITS)
    keeper = site.agent()
    (run_id,) = site.submit()
    flow = int(site.until_noted("started")[0])
    site.until(run_id, State.RUNNING)
    with scheduler(site, site.redis.url) as process:
        with trouble(site.redis.client()):  # type: ignore[operator]
            until_passed(3.0)
            assert is_running(flow), site.log_of_agents()
        (site.folder / "go").touch()
        assert site.until(run_id, State.COMPLETED).attempt == 1
        process.leads_again(site)
    assert keeper.poll() is None and site.log_of_agents().count("during=renew") == 1


def test_a_password_that_is_asked_for_suddenly_ends_the_runs_in_time_and_nothing_else(site: Site) -> None:
    site.deploy(WAITS)
    keeper = site.agent()
    (run_id,) = site.submit()
    flow = int(site.until_noted("started")[0])
    client = site.redis.client()
    with scheduler(site, site.redis.url) as process:
        client.config_set("requirepass", "new")
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        changed = time.monotonic()
        wait_until(lambda: not is_running(flow), 5.0)
        assert time.monotonic() - changed < 1.5, "the lease"
        client.config_set("requirepass", "")
        (site.folder / "go").touch()
        run = site.until(run_id, State.COMPLETED)
        process.leads_again(site)
    assert (run.attempt, run.lost, keeper.poll()) == (2, 0, None)
    assert "wants a password" in site.log_of_agents()


def test_a_full_server_lets_runs_end_and_takes_new_ones_when_there_is_room(site: Site) -> None:
    site.deploy(WAITS)
    site.agent()
    (run_id,) = site.submit()
    flow = int(site.until_noted("started")[0])
    site.until(run_id, State.RUNNING)
    client = site.redis.client()
    with scheduler(site, site.redis.url) as process:
        client.config_set("maxmemory", 1)
        with pytest.raises(OutOfMemory):
            site.submit()
        until_passed(3.0)
        assert is_running(flow), site.log_of_agents()
        (site.folder / "go").touch()
        site.until(run_id, State.COMPLETED)
        client.config_set("maxmemory", 0)
        site.until(site.submit()[0], State.COMPLETED)
        process.leads_again(site)
    assert site.log_of_agents().count("during=claim") <= 1
