"""kill -9 and SIGSTOP of keeper and supervisor: nothing of a run is left, nothing is lost, none runs twice at once."""

import os
import signal
import time

import pytest

from agent.leftovers import AGENT_VARIABLE
from agent.process_tree import environment_value
from queues.presence import Presence
from queues.states import State
from tests.lifecycle.worksite import Site, is_running, processes_of
from tests.support.waiting import wait_until

HANGS_ONCE = """
from orchestrator import flow
@flow
def main():
    first = not os.path.exists(os.path.join(NOTES, "started"))
    note("started", os.getpid())
    if first:
        child = subprocess.Popen(["sleep", "600"])
        daemon = subprocess.Popen(["sleep", "600"], start_new_session=True)
        note("tree", f"{os.getpid()} {child.pid} {daemon.pid}")
        note("daemons.pid", daemon.pid)
        time.sleep(600)
"""


def hang(site: Site) -> tuple[str, list[int]]:
    """Start the run that hangs at its first try; answers its id, and its process, child and daemon."""
    site.deploy(HANGS_ONCE)
    (run_id,) = site.submit()
    flow, child, daemon = map(int, site.until_noted("tree")[0].split())
    return run_id, [flow, child, daemon]


def test_a_run_of_a_killed_agent_dies_with_it_and_goes_on_elsewhere_after_the_lease(site: Site) -> None:
    keeper = site.agent()
    run_id, (flow, child, _) = hang(site)
    site.agent("a2")
    site.kill(keeper.pid, site.supervisor(keeper))
    killed = time.monotonic()
    wait_until(lambda: not is_running(flow) and not is_running(child), 1.0)
    wait_until(lambda: site.expire() == 0 and site.run(run_id).state == State.COMPLETED, 5.0)
    assert time.monotonic() - killed < 1.5 + 0.3 + 1.0, "lease + grace + 1 s"
    run = site.run(run_id)
    assert (run.agent, run.attempt, run.lost) == ("a2", 2, 1)


def test_a_restarted_agent_sweeps_the_daemons_and_frees_its_runs_at_once(site: Site) -> None:
    keeper = site.agent(lease_seconds=60.0)
    run_id, (_, _, daemon) = hang(site)
    both = site.supervisor(keeper), keeper.pid
    for pid in both:
        os.kill(pid, signal.SIGSTOP)  # else the one that is killed last may still clear up after the first
    site.kill(*both)
    keeper.wait(5)
    assert is_running(daemon), "a daemon survives the death of everything above it"
    began = time.monotonic()
    site.agent(lease_seconds=60.0)
    assert not is_running(daemon), "swept before the name was taken"
    site.until(run_id, State.COMPLETED, within=3)
    assert time.monotonic() - began < 3.0 and site.run(run_id).attempt == 2


def test_a_machine_that_was_down_for_long_frees_its_runs_at_once_too(site: Site) -> None:
    keeper = site.agent(lease_seconds=60.0)
    run_id, tree = hang(site)
    site.kill(keeper.pid, site.supervisor(keeper))
    wait_until(lambda: not any(map(is_running, tree[:2])), 2.0)
    site.store.scripts.redis.hset(site.store.keys.agent("a1"), "seen", 1)  # silent for so long that its name is free
    site.agent(lease_seconds=60.0)
    run = site.until(run_id, State.COMPLETED, within=3)
    assert (run.attempt, run.lost) == (2, 1)


def test_a_killed_supervisor_is_started_again_and_nothing_of_its_runs_is_left(site: Site) -> None:
    keeper = site.agent(lease_seconds=60.0)
    run_id, tree = hang(site)
    before = site.supervisor(keeper)
    site.kill(before)
    wait_until(lambda: not any(map(is_running, tree)), 1.0)
    site.until(run_id, State.COMPLETED, within=8)
    assert keeper.poll() is None and site.supervisor(keeper) != before
    assert site.run(run_id).attempt == 2


def test_a_supervisor_without_its_keeper_ends_its_runs_and_gives_them_back(site: Site) -> None:
    keeper = site.agent()
    run_id, tree = hang(site)
    supervisor = site.supervisor(keeper)
    site.kill(keeper.pid)
    wait_until(lambda: not any(map(is_running, [*tree, supervisor])), 3.0)
    run = site.run(run_id)
    assert (run.state, run.lost) == (State.QUEUED, 0)


def test_a_frozen_supervisor_is_killed_by_the_kernel_before_its_run_may_start_elsewhere(site: Site) -> None:
    keeper = site.agent()
    run_id, (flow, child, _) = hang(site)
    supervisor = site.supervisor(keeper)
    os.kill(supervisor, signal.SIGSTOP)
    frozen = time.monotonic()
    wait_until(lambda: not is_running(supervisor) and not is_running(flow) and not is_running(child), 3.0)
    assert time.monotonic() - frozen <= 1.5 + 0.2, "dead at the end of the lease"
    wait_until(lambda: site.expire() == 0 and site.run(run_id).state == State.COMPLETED, 10)


def test_a_frozen_agent_whose_run_went_elsewhere_does_not_touch_it_when_it_comes_back(site: Site) -> None:
    keeper = site.agent()
    run_id, tree = hang(site)
    site.agent("a2")
    frozen = [keeper.pid, site.supervisor(keeper)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: site.expire() == 0 and site.run(run_id).state == State.COMPLETED, 6.0)
    os.kill(keeper.pid, signal.SIGCONT)
    wait_until(lambda: not any(map(is_running, tree)), 3.0)
    assert site.run(run_id).agent == "a2" and len(site.notes("started")) == 2


def test_strangers_are_never_swept(site: Site) -> None:
    keeper = site.agent()
    run_id, (flow, _, _) = hang(site)
    mark = environment_value(flow, AGENT_VARIABLE)
    assert mark is not None and mark.split("/")[1] == "a1"
    site.agent("a2")
    assert is_running(flow) and keeper.poll() is None and site.run(run_id).state == State.RUNNING


def test_a_name_that_a_living_agent_has_is_refused(site: Site) -> None:
    keeper = site.agent()
    second = site.start_agent(name="a1")
    assert second.wait(10) == 4
    assert "is held by a living agent" in site.log_of_agents() and keeper.poll() is None


def test_an_agent_without_a_name_takes_the_first_free_one(site: Site) -> None:
    first, second = site.start_agent(), site.start_agent()
    names = wait_until(lambda: len(found := Presence(site.store.scripts).all()) == 2 and found)
    assert [agent.name[-2:] for agent in names] == ["-1", "-2"]
    assert first.poll() is None and second.poll() is None


def test_a_run_that_kills_its_agent_again_and_again_is_given_up(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            note("tries")
            os.kill(os.getppid(), 9)
            time.sleep(60)
        """,
        max_lost=2,
    )
    site.agent(lease_seconds=60.0)
    (run_id,) = site.submit()
    run = site.until(run_id, State.CRASHED, within=20)
    assert run.lost >= 2 and not processes_of(run_id)


@pytest.mark.slow
def test_a_frozen_idle_agent_loses_its_name_and_ends_when_it_comes_back(site: Site) -> None:
    old = site.agent()
    frozen = [old.pid, site.supervisor(old)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    heir = site.agent()  # once the old one has been silent for lease and grace
    instance = site.instance("a1")
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: old.poll() is not None, 10, message=site.log_of_agents)
    assert site.instance("a1") == instance and site.holder("a1") == site.supervisor(heir)
    run_id, _ = hang(site)
    assert site.run(run_id).agent == "a1"


@pytest.mark.slow
def test_the_heir_of_a_frozen_agent_sweeps_what_that_left_and_its_keeper_gives_up(site: Site) -> None:
    old = site.agent()
    run_id, tree = hang(site)
    supervisor = site.supervisor(old)
    for pid in (old.pid, supervisor):
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: not is_running(supervisor), 5.0, message="the kernel's timer to end the frozen supervisor")
    heir = site.agent()
    assert not any(map(is_running, tree)), "swept before the name was taken"
    site.until(run_id, State.COMPLETED, within=5)
    os.kill(old.pid, signal.SIGCONT)
    assert old.wait(15) == 4 and heir.poll() is None
