"""Control groups of real processes: one call ends all of them, strangers and the living stay."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from agent.control_group import ControlGroup, group_of, group_of_supervisor
from agent.leftovers import Mark, group_name, left_groups, sweep
from agent.process_tree import Process, facts, is_alive, this_process
from tests.support.waiting import wait_until

DEAD = Process(2**22 - 3, 1)


def mark_of(supervisor: Process, agent: str = "a1", installation: str = "test-groups") -> Mark:
    return Mark(installation, agent, Mark.of_this_process("", "").numbering, supervisor)


@pytest.fixture
def around() -> ControlGroup:
    found = group_of("self")
    if found is None or not os.access(found.path, os.W_OK):
        pytest.skip("control groups can not be made here: not root, and no delegated group of cgroup version 2")
    return found


@pytest.fixture
def made(around: ControlGroup) -> Iterator[list[ControlGroup]]:
    groups: list[ControlGroup] = []
    yield groups
    for group in groups:
        group.kill()
        wait_until(lambda group=group: not group.is_populated())  # type: ignore[misc]
        group.remove()


def a_group(made: list[ControlGroup], around: ControlGroup, mark: Mark) -> ControlGroup:
    group = around.below(group_name(mark))
    group.make()
    made.append(group)
    return group


def a_tree_in(group: ControlGroup) -> Process:
    """A shell in the group that leaves a daemon without session, parent and environment; answers the daemon."""
    go, release = os.pipe()
    command = "read go; env -i setsid sleep 611 & exit"
    shell = subprocess.Popen(["sh", "-c", command], stdin=go, stdout=subprocess.DEVNULL)
    group.take(shell.pid)
    os.write(release, b"\n")
    assert shell.wait(5) == 0
    os.close(go)
    os.close(release)
    (pid,) = wait_until(lambda: len(found := group.members()) == 1 and found)
    left = facts(pid)
    assert left is not None
    return left.process


def test_one_call_ends_a_daemon_that_hides_from_everything_else(made: list[ControlGroup], around: ControlGroup) -> None:
    group = a_group(made, around, mark_of(DEAD))
    daemon = a_tree_in(group)
    assert group.is_populated()
    group.kill()
    wait_until(lambda: not group.is_populated() and not is_alive(daemon))
    group.remove()
    assert not os.path.exists(group.path)


def test_groups_that_a_flow_makes_in_its_own_end_with_it(made: list[ControlGroup], around: ControlGroup) -> None:
    group = a_group(made, around, mark_of(DEAD))
    inner = group.below("mine")
    inner.make()
    daemon = a_tree_in(inner)
    assert group.is_populated()
    group.kill()
    wait_until(lambda: not is_alive(daemon) and not group.is_populated())
    group.remove()
    assert not os.path.exists(group.path)


def test_the_sweep_ends_the_groups_of_dead_predecessors_and_no_others(
    made: list[ControlGroup], around: ControlGroup
) -> None:
    heir = mark_of(this_process())
    left = a_group(made, around, mark_of(DEAD))
    strangers = [
        a_group(made, around, mark_of(DEAD, agent="a2")),
        a_group(made, around, mark_of(DEAD, installation="other")),
        a_group(made, around, mark_of(DEAD)._replace(numbering="1")),
        a_group(made, around, mark_of(Process(os.getppid(), facts(os.getppid()).process.started))),  # type: ignore[union-attr]
    ]
    swept, *spared = [a_tree_in(group) for group in (left, *strangers)]
    assert [group.path for group in left_groups(heir)] == [left.path]
    assert sweep(heir) == 1 and not is_alive(swept)
    assert all(map(is_alive, spared)) and not os.path.exists(left.path)


def test_empty_groups_of_any_dead_supervisor_are_removed(made: list[ControlGroup], around: ControlGroup) -> None:
    dead = a_group(made, around, mark_of(DEAD, agent="a2"))
    living = a_group(made, around, mark_of(this_process(), agent="a2"))
    sweep(mark_of(this_process()))
    assert not os.path.exists(dead.path) and os.path.exists(living.path)


def test_the_group_of_a_supervisor_is_known_by_its_number_alone(made: list[ControlGroup], around: ControlGroup) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        started = facts(process.pid)
        assert started is not None
        whole = a_group(made, around, mark_of(started.process))
        for name, found in (("run:x", None), ("supervisor", whole.path)):
            whole.below(name).make()
            whole.below(name).take(process.pid)
            group = group_of_supervisor(process.pid)
            assert (group and group.path) == found
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        group = group_of_supervisor(process.pid)
        assert group is not None and group.path == whole.path, "also as a zombie"
