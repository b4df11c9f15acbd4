"""Connections that are neither whole nor gone, answers that are not ours: what an agent makes of them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from queues.states import State
from tests.lifecycle.test_outages import WAITS
from tests.lifecycle.worksite import Site, is_running
from tests.support.meddler import Meddler
from tests.support.waiting import wait_until

AWAY = {
    "LOADING": b"-LOADING Redis is loading the dataset in memory\r\n",
    "MISCONF": b"-MISCONF Errors writing to the AOF file: No space left on device\r\n",
    "READONLY": b"-READONLY You can't write against a read only replica.\r\n",
    "MASTERDOWN": b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
    "BUSY": b"-BUSY Redis is busy running a script.\r\n",
    "TRYAGAIN": b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    "CLUSTERDOWN": b"-CLUSTERDOWN The cluster is down\r\n",
}
NOT_AWAY = {
    "NOAUTH": b"-NOAUTH Authentication required.\r\n",
    "NOPERM": b"-NOPERM this user has no permissions to run the 'evalsha' command\r\n",
    "garbage": b"\x00\xff\x13garbage\r\n",
    "a push frame": b">2\r\n$3\r\nfoo\r\n$3\r\nbar\r\n",
    "another answer": b"+OK\r\n",
    "no msgpack": b"$3\r\n\xc1\xc1\xc1\r\n",
}


@pytest.fixture
def meddler(site: Site) -> Iterator[Meddler]:
    with Meddler(str(site.redis.socket)) as made:
        yield made


def start(site: Site, meddler: Meddler, **options: float) -> tuple[subprocess.Popen[bytes], str, int]:
    """An agent behind the meddler, with one run that waits."""
    site.deploy(WAITS)
    keeper = site.agent(redis_url=meddler.url, **options)
    (run_id,) = site.submit()
    flow = int(site.until_noted("started")[0])
    site.until(run_id, State.RUNNING)
    return keeper, run_id, flow


def until_passed(seconds: float) -> None:
    """Let time pass in which something must not happen."""
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began >= seconds, seconds + 5, every=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(AWAY))
def test_while_nobody_can_claim_the_run_goes_on_and_is_told_of_once(site: Site, meddler: Meddler, name: str) -> None:
    keeper, run_id, flow = start(site, meddler)
    meddler.say(AWAY[name])
    until_passed(2.5)
    assert is_running(flow), f"longer than the lease: {site.log_of_agents()}"
    assert meddler.meddled >= 5 and site.log_of_agents().count("redis unreachable during=renew") <= 1
    meddler.mode = "pass"
    (site.folder / "go").touch()
    run = site.until(run_id, State.COMPLETED)
    assert (run.attempt, keeper.poll(), site.log_of_agents().count("started again")) == (1, None, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(NOT_AWAY))
def test_what_others_may_not_see_ends_the_runs_in_time_and_the_agent_goes_on_after_it(
    site: Site, meddler: Meddler, name: str
) -> None:
    keeper, run_id, flow = start(site, meddler)
    meddler.say(NOT_AWAY[name])
    said = time.monotonic()
    wait_until(lambda: not is_running(flow), 5.0)
    assert time.monotonic() - said < 1.5, "the lease"
    until_passed(1.0)
    assert meddler.meddled >= 5 and site.log_of_agents().count("redis unreachable during=renew") <= 2
    meddler.mode = "pass"
    (site.folder / "go").touch()
    run = site.until(run_id, State.COMPLETED)
    assert (run.attempt, run.lost) == (2, 0), "given back by its agent"
    assert keeper.poll() is None and "started again" not in site.log_of_agents()


def test_a_half_open_connection_is_a_cut_and_after_it_the_agent_claims_at_once(site: Site, meddler: Meddler) -> None:
    _, run_id, flow = start(site, meddler)
    meddler.mode = "swallow"
    wait_until(lambda: not is_running(flow), 4.0)
    meddler.mode = "pass"
    healed = time.monotonic()
    wait_until(lambda: site.run(run_id).attempt == 2, 10.0, message=lambda: site.told(run_id))
    assert meddler.meddled and time.monotonic() - healed < 2.0 and site.run(run_id).lost == 0


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["tear", "stutter"])
def test_answers_that_come_in_pieces_cost_no_run(site: Site, meddler: Meddler, mode: str) -> None:
    keeper, run_id, _ = start(site, meddler)
    meddler.mode = mode
    wait_until(lambda: meddler.meddled >= 10, 10)
    meddler.mode = "pass"
    (site.folder / "go").touch()
    site.until(run_id, State.COMPLETED)
    assert len(site.notes("ended")) == 1 and keeper.poll() is None and "started again" not in site.log_of_agents()


@pytest.mark.slow
def test_a_drain_across_a_cut_tells_the_end_when_it_has_healed(site: Site, meddler: Meddler) -> None:
    keeper, run_id, _ = start(site, meddler, lease_seconds=30.0)
    keeper.terminate()
    wait_until(lambda: "agent drains" in site.log_of_agents())
    meddler.mode = "swallow"
    (site.folder / "go").touch()
    site.until_noted("ended")
    until_passed(3.5)
    assert keeper.poll() is None, "the end is not told yet"
    meddler.mode = "pass"
    assert keeper.wait(10) == 0 and site.run(run_id).state == State.COMPLETED


@pytest.mark.slow
def test_an_agent_that_comes_back_after_everything_of_it_is_forgotten_registers_at_once(
    site: Site, meddler: Meddler
) -> None:
    _, run_id, flow = start(site, meddler)
    meddler.mode = "swallow"
    wait_until(lambda: not is_running(flow), 4.0)
    until_passed(2.0)
    site.store.scripts.redis.delete(site.store.keys.agent("a1"))
    meddler.mode = "pass"
    healed = time.monotonic()
    wait_until(lambda: site.instance("a1") is not None, 5.0, message=site.log_of_agents)
    assert time.monotonic() - healed < 2.0
    (site.folder / "go").touch()
    site.until(run_id, State.COMPLETED)
