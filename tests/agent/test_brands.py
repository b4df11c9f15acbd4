"""Brands on real processes: inherited by everything, read back, and proof of nothing but themselves."""

import os
import resource
import subprocess
from collections.abc import Iterator

import pytest

from agent.brands import LIMIT_OF_LOCKS, Brand, brand_of, who_is
from agent.families import Families
from agent.kernel import children_of
from agent.leftovers import Mark, leftovers, sweep
from agent.process_tree import Process, facts, is_alive, this_process

DEAD = Process(2**22 - 3, 1)
HERE = Mark.of_this_process("test-brands", "a1")


@pytest.fixture
def started() -> Iterator[list[int]]:
    """Numbers of processes to end."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        if (found := facts(pid)) is not None and not found.dead:
            os.kill(pid, 9)


def a_daemon(brand: Brand, started: list[int]) -> Process:
    """What a branded shell leaves: forked twice, without session, parent and environment."""
    command = "read go; env -i setsid sh -c 'sleep 612 & echo $!' & wait"
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        brand.put(shell.pid)
        assert shell.stdin is not None and shell.stdout is not None
        shell.stdin.write(b"go\n")
        shell.stdin.close()
        started.append(int(shell.stdout.readline()))
    found = facts(started[-1])
    assert found is not None
    return found.process


@pytest.mark.parametrize("supervisor", [DEAD, this_process(), Process(1, 2**38 - 1)])
def test_a_daemon_without_session_parent_and_environment_keeps_its_brand(
    supervisor: Process, started: list[int]
) -> None:
    brand = Brand(who_is("i", "a1", "4026531836"), supervisor, 2**24 - 1)
    assert brand_of(a_daemon(brand, started).pid) == brand


def test_other_limits_are_no_brand() -> None:
    assert brand_of(os.getpid()) is None and brand_of(DEAD.pid) is None
    with subprocess.Popen(["sleep", "60"]) as process:
        for limits in ((5, resource.RLIM_INFINITY), (1, 2**62), (0, 0)):
            resource.prlimit(process.pid, LIMIT_OF_LOCKS, limits)
            assert brand_of(process.pid) is None
        process.kill()


def test_the_sweep_finds_by_brand_what_dead_supervisors_left_and_nothing_else(started: list[int]) -> None:
    left = a_daemon(HERE._replace(supervisor=DEAD).brand(1), started)
    strangers = [
        a_daemon(mark.brand(1), started)
        for mark in (
            HERE,
            HERE._replace(supervisor=DEAD, agent="a2"),
            HERE._replace(supervisor=DEAD, installation="other"),
            HERE._replace(supervisor=DEAD, numbering="1"),
        )
    ]
    heir = HERE._replace(supervisor=Process(os.getppid(), 1))
    assert list(leftovers(HERE)) == [left]
    assert sweep(HERE) == 1 and not is_alive(left)
    assert all(map(is_alive, strangers)) and not list(leftovers(heir))


def test_an_orphan_is_told_to_its_run_by_its_brand_beside_other_runs(started: list[int]) -> None:
    families = Families()
    families.add("r1", DEAD.pid, HERE.brand(1))
    families.add("r2", DEAD.pid - 1, HERE.brand(2))
    orphan = a_daemon(HERE.brand(1), started)
    sessions = facts(orphan.pid)
    assert sessions is not None
    assert families._owners(orphan.pid, sessions.session) == {"r1"}
    families.forget("r1")
    assert families._owners(orphan.pid, sessions.session) == set(), "of none that is there: it may be ended with any"
    assert orphan.pid not in children_of(os.getpid())
