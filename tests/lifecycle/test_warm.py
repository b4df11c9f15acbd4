"""Warm deployments under a real agent: what is shared between their runs, what is not, and what ends templates."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.leftovers import RUN_VARIABLE
from agent.process_tree import environment_value
from orchestrator.process.template import PLACEHOLDER
from queues.states import State
from tests.lifecycle.warm_site import WarmSite
from tests.lifecycle.worksite import below, is_running, processes_of
from tests.support.waiting import wait_until

PLAIN = """
    import random, time
    from orchestrator import flow
    LOADED = time.time_ns()
    @flow
    def main():
        note("seen", f"{os.getpid()} {os.getppid()} {LOADED} {random.random()}")
"""


def run(site: WarmSite, *states: State, within: float = 10.0) -> str:
    """One run to its end; answers its id."""
    (run_id,) = site.submit()
    site.until(run_id, *(states or (State.COMPLETED,)), within=within)
    return run_id


def template_of(site: WarmSite, keeper: int = 0) -> int:
    """The process that runs are forked from."""
    there = below(site.supervisor(site.keepers[keeper]))
    (found,) = [pid for pid in there if environment_value(pid, RUN_VARIABLE) == PLACEHOLDER]
    return found


def test_forks_are_children_of_the_supervisor_and_load_the_users_modules_anew(warm_site: WarmSite) -> None:
    warm_site.deploy(PLAIN)
    keeper = warm_site.agent()
    runs = [run(warm_site) for _ in range(3)]
    seen = [line.split() for line in warm_site.notes("seen")]
    assert all(warm_site.forked(run_id) for run_id in runs)
    assert {int(parent) for _, parent, _, _ in seen} == {warm_site.supervisor(keeper)}
    for place in (0, 2, 3):
        assert len({line[place] for line in seen}) == 3, "process, time of loading and numbers by chance are its own"


def test_installed_modules_are_there_and_the_users_own_are_not(warm_site: WarmSite) -> None:
    (warm_site.folder / "mine.py").write_text("import os\nLOADED_BY = os.getpid()\n")
    (warm_site.folder / "colorsys.py").write_text("MINE = True\n")
    warm_site.deploy(
        """
        import sys
        before = {name for name in ("decimal", "mine", "colorsys") if name in sys.modules}
        import colorsys, decimal, mine
        from orchestrator import flow
        @flow
        def main():
            note("before", " ".join(sorted(before)))
            assert mine.LOADED_BY == os.getpid() and colorsys.MINE
        """
    )
    warm_site._waiting.clear()
    warm_site.agent()
    cold = run(warm_site)
    warm_site.until_ready(1)
    warm = run(warm_site)
    assert (warm_site.forked(cold), warm_site.forked(warm)) == (False, True)
    assert warm_site.notes("before") == ["", "decimal"]


THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
NOT_HERE = "import os, sys\nif 'process.template' in sys.orig_argv[-1]: os._exit(7)\n"
IMPORTING = """
    import odd_one
    from orchestrator import flow
    @flow
    def main():
        return odd_one.__name__
"""


def environment(site: WarmSite, package: str = "") -> Path:
    """A virtual environment with a package `odd_one`; answers where its packages are."""
    home = site.folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    packages = next(home.glob("lib/python*/site-packages"))
    (packages / "odd_one.py").write_text(package)
    return packages


def test_a_package_that_leaves_a_thread_is_left_out_named_once_and_imported_by_each_run(warm_site: WarmSite) -> None:
    environment(warm_site, THREAD)
    warm_site.deploy(IMPORTING, virtualenv=str(warm_site.folder / "venv"))
    warm_site.agent()
    assert not warm_site.forked(run(warm_site))
    warm_site.until_ready(1)
    assert warm_site.forked(run(warm_site))
    assert warm_site.told_by_agents().count("package left out of the template") == 1


def test_a_template_that_can_not_be_made_leaves_runs_cold_and_one_of_them_says_why(warm_site: WarmSite) -> None:
    environment(warm_site, NOT_HERE)
    warm_site.deploy(IMPORTING, virtualenv=str(warm_site.folder / "venv"))
    warm_site.agent()
    run(warm_site)
    wait_until(lambda: "warm deployment starts cold" in warm_site.told_by_agents(), 15)
    said = [line for run_id in (run(warm_site), run(warm_site)) for line in warm_site.lines(run_id)]
    assert said == ["this deployment's runs start cold although it is warm: its template ended with code 7"]


def test_a_template_that_is_killed_costs_no_run_and_is_made_again(warm_site: WarmSite) -> None:
    warm_site.deploy(PLAIN)
    warm_site.agent()
    assert warm_site.forked(run(warm_site))
    os.kill(template_of(warm_site), signal.SIGKILL)
    run(warm_site)
    warm_site.until_ready(2)
    assert warm_site.forked(run(warm_site))


def test_a_template_that_does_not_answer_costs_its_run_a_moment(warm_site: WarmSite) -> None:
    warm_site.deploy(PLAIN)
    warm_site.agent(lease_seconds=15.0)
    stopped = template_of(warm_site)
    os.kill(stopped, signal.SIGSTOP)
    run_id = run(warm_site)
    assert not warm_site.forked(run_id) and warm_site.run(run_id).attempt == 1
    wait_until(lambda: not is_running(stopped))


def test_a_run_that_waits_for_its_fork_can_be_cancelled(warm_site: WarmSite) -> None:
    warm_site.deploy(PLAIN)
    warm_site.agent(lease_seconds=15.0)
    os.kill(template_of(warm_site), signal.SIGSTOP)
    (run_id,) = warm_site.submit()
    warm_site.until(run_id, State.PENDING)
    warm_site.store.records.cancel(run_id, actor="a test")
    warm_site.until(run_id, State.CANCELLED)
    assert not processes_of(run_id) and not warm_site.notes("seen")


@pytest.mark.parametrize("whom", ["supervisor", "both"])
def test_forks_and_their_template_die_with_the_supervisor(warm_site: WarmSite, whom: str) -> None:
    warm_site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            if os.fork() == 0:
                os.setsid()
                note("started", os.getpid())
                time.sleep(300)
            note("started", os.getpid())
            time.sleep(300)
        """
    )
    keeper = warm_site.agent()
    (run_id,) = warm_site.submit()
    wait_until(lambda: len(warm_site.notes("started")) == 2)
    template, supervisor = template_of(warm_site), warm_site.supervisor(keeper)
    assert warm_site.forked(run_id)
    warm_site.kill(supervisor, *([keeper.pid] if whom == "both" else []))
    wait_until(lambda: not is_running(template))
    if whom == "both":
        warm_site.start_agent(name="a1")
    wait_until(lambda: not any(is_running(int(pid)) for pid in warm_site.notes("started")[:2]))


def test_when_the_agent_drains_its_template_goes_and_the_run_ends_well(warm_site: WarmSite) -> None:
    warm_site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            note("started")
            while not os.path.exists(os.path.join(NOTES, "enough")):
                time.sleep(0.02)
        """
    )
    keeper = warm_site.agent()
    (run_id,) = warm_site.submit()
    warm_site.until_noted("started")
    template = template_of(warm_site)
    keeper.send_signal(signal.SIGTERM)
    wait_until(lambda: not is_running(template))
    (warm_site.folder / "enough").touch()
    warm_site.until(run_id, State.COMPLETED)
    assert keeper.wait(10) == 0


def test_what_is_installed_anew_is_not_forked_from_what_was_there_before(warm_site: WarmSite) -> None:
    packages = environment(warm_site)
    warm_site.deploy(IMPORTING, virtualenv=str(warm_site.folder / "venv"))
    warm_site.agent()
    run(warm_site)
    warm_site.until_ready(1)
    assert warm_site.forked(run(warm_site))
    (packages / "another.py").touch()
    assert not warm_site.forked(run(warm_site))
    run(warm_site)
    warm_site.until_ready(2)
    assert warm_site.forked(run(warm_site)) and template_of(warm_site)
