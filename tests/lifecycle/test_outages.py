"""Redis away and Redis cut off: what runs goes on or is ended, what ended is told later, and agents come back alone."""

import os
import signal
import socket
import subprocess
import time

import pytest

from queues.states import State
from tests.lifecycle.worksite import Site, is_running
from tests.support.waiting import wait_until

WAITS = """
from orchestrator import flow
@flow
def main():
    note("started", os.getpid())
    print("before")
    while not os.path.exists(os.path.join(NOTES, "go")):
        time.sleep(0.02)
    print("after")
    note("ended")
    return "done"
"""


def start(site: Site, **options: float) -> tuple[subprocess.Popen[bytes], str, int]:
    """An agent with one run that waits; answers the keeper, the run's id and its process."""
    site.deploy(WAITS)
    keeper = site.agent(**options)
    (run_id,) = site.submit()
    return keeper, run_id, int(site.until_noted("started")[0])


def test_a_killed_redis_that_comes_back_costs_a_running_flow_nothing(site: Site) -> None:
    keeper, run_id, flow = start(site)
    site.until(run_id, State.RUNNING)
    site.redis.kill()
    away = time.monotonic()
    wait_until(lambda: time.monotonic() - away > 2.0)
    assert is_running(flow), "longer away than the lease, and still running"
    site.redis.start()
    (site.folder / "go").touch()
    run = site.until(run_id, State.COMPLETED)
    assert (run.attempt, run.lost, site.notes("started")) == (1, 0, [str(flow)])
    assert site.lines(run_id) == ["before", "after"] and keeper.poll() is None


def test_an_end_during_an_outage_is_told_when_redis_is_back(site: Site) -> None:
    _, run_id, _ = start(site)
    site.until(run_id, State.RUNNING)
    site.redis.kill()
    (site.folder / "go").touch()
    site.until_noted("ended")
    site.redis.start()
    run = site.until(run_id, State.COMPLETED)
    assert run.attempt == 1 and site.store.records.data(run_id, "result") == b'"done"'
    assert site.lines(run_id) == ["before", "after"]


def test_the_agent_claims_again_after_redis_has_been_restarted(site: Site) -> None:
    _, first, _ = start(site)
    (site.folder / "go").touch()
    site.until(first, State.COMPLETED)
    for _ in range(3):
        site.redis.restart()
    (second,) = site.submit()
    site.until(second, State.COMPLETED)


def test_a_redis_that_stays_away_too_long_ends_the_runs(site: Site) -> None:
    _, run_id, flow = start(site, outage_seconds=1.0)
    site.until(run_id, State.RUNNING)
    site.redis.kill()
    wait_until(lambda: not is_running(flow), 6.0)
    site.redis.start()
    wait_until(lambda: site.run(run_id).attempt == 2, 10.0, message=lambda: site.told(run_id))
    assert site.run(run_id).lost == 0


def test_an_agent_that_is_cut_off_kills_its_runs_before_their_lease_ends(site: Site) -> None:
    _, run_id, flow = start(site)
    site.until(run_id, State.RUNNING)
    site.redis.signal(signal.SIGSTOP)
    cut = time.monotonic()
    wait_until(lambda: not is_running(flow), 3.0)
    assert time.monotonic() - cut < 1.5, "lease"
    site.redis.signal(signal.SIGCONT)
    wait_until(lambda: site.run(run_id).attempt == 2, 10.0, message=lambda: site.told(run_id))
    assert site.run(run_id).lost == 0, "given back by its agent, not lost"


def test_a_queue_may_keep_its_runs_when_cut_off(site: Site) -> None:
    site.store.queues.create("ml", on_disconnect="keep", actor="a test")
    site.deploy(WAITS, queue="ml")
    site.agent(queues=("ml",))
    (run_id,) = site.submit()
    flow = int(site.until_noted("started")[0])
    site.redis.signal(signal.SIGSTOP)
    cut = time.monotonic()
    wait_until(lambda: time.monotonic() - cut > 2.5)
    assert is_running(flow)
    site.redis.signal(signal.SIGCONT)
    (site.folder / "go").touch()
    site.until(run_id, State.COMPLETED)


def test_a_drain_waits_for_redis_to_be_told_the_end(site: Site) -> None:
    keeper, run_id, _ = start(site)
    site.until(run_id, State.RUNNING)
    site.redis.kill()
    keeper.send_signal(signal.SIGTERM)
    (site.folder / "go").touch()
    site.until_noted("ended")
    assert keeper.poll() is None
    site.redis.start()
    assert keeper.wait(10) == 0 and site.run(run_id).state == State.COMPLETED


def test_a_stopped_agent_does_not_wait_for_redis(site: Site) -> None:
    keeper, _, flow = start(site)
    site.redis.kill()
    for _ in range(2):
        keeper.send_signal(signal.SIGTERM)
        wait_until(lambda: "agent drains" in site.log_of_agents())
    assert keeper.wait(8) == 0 and not is_running(flow)


def test_a_restarted_supervisor_waits_for_a_redis_that_is_away(site: Site) -> None:
    keeper, run_id, _ = start(site, lease_seconds=60.0)
    site.redis.kill()
    site.kill(site.supervisor(keeper))
    wait_until(lambda: "is started again" in site.log_of_agents())
    wait_until(lambda: "during=start" in site.log_of_agents())
    site.redis.start()
    (site.folder / "go").touch()
    assert site.until(run_id, State.COMPLETED, within=15).attempt == 2


def test_an_agent_that_finds_no_redis_at_its_start_says_so_and_ends(site: Site) -> None:
    began = time.monotonic()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        keeper = site.start_agent(redis_url=f"redis://:secret@127.0.0.1:{closed.getsockname()[1]}")
        assert keeper.wait(10) == 5
    assert time.monotonic() - began < 4 and "refused" in site.log_of_agents()
    assert "secret" not in site.log_of_agents()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [({"queues": ("nowhere",)}, 3, "there is no work queue 'nowhere'"), ({"redis_url": "nonsense://"}, 2, "address")],
)
def test_an_agent_that_can_not_work_says_why_and_is_not_started_again(
    site: Site, options: dict[str, object], code: int, said: str
) -> None:
    keeper = site.start_agent(**options)
    assert keeper.wait(10) == code
    assert said in site.log_of_agents() and "Traceback" not in site.log_of_agents()
    assert os.path.exists(site.redis.socket)
