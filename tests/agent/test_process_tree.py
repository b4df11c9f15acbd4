"""Processes by number and start time; marks, leftovers and families of real processes."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.families import Families
from agent.leftovers import AGENT_VARIABLE, RUN_VARIABLE, Mark, leftovers, sweep
from agent.process_tree import Process, descendants, facts, is_alive, send, this_process
from tests.support.waiting import wait_until


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def sleeper(started: list[subprocess.Popen[bytes]], **environment: str) -> Process:
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, **environment}, start_new_session=True)
    started.append(process)
    found = wait_until(lambda: facts(process.pid))
    assert found is not None
    wait_until(lambda: "sleep" in Path(f"/proc/{process.pid}/cmdline").read_text())
    return found.process


def a_mark(supervisor: Process, agent: str = "a1") -> Mark:
    return Mark("install", agent, Mark.of_this_process("install", agent).numbering, supervisor)


DEAD = Process(2**22 - 3, 1)


def test_a_process_with_another_start_time_is_a_stranger(started: list[subprocess.Popen[bytes]]) -> None:
    process = sleeper(started)
    stranger = process._replace(started=process.started + 1)
    assert is_alive(process) and not is_alive(stranger)
    assert not send(stranger, signal.SIGKILL) and is_alive(process)
    assert send(process, signal.SIGKILL)
    wait_until(lambda: not is_alive(process))


def test_a_name_with_brackets_and_spaces_does_not_confuse(tmp_path: os.PathLike[str]) -> None:
    program = os.path.join(tmp_path, "a) b (c")
    os.symlink("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        found = wait_until(lambda: facts(process.pid))
        process.kill()
    assert found is not None and found.parent == os.getpid()


def test_a_mark_survives_its_text() -> None:
    mark = Mark.of_this_process("install", "a1")
    assert Mark.parse(str(mark)) == mark and mark.supervisor == this_process()
    assert Mark.parse("a1") is None and Mark.parse("install/a1/1/x.y") is None


def test_the_sweep_kills_what_dead_supervisors_left_and_nothing_else(started: list[subprocess.Popen[bytes]]) -> None:
    heir = Mark.of_this_process("install", "a1")
    left = sleeper(started, **{AGENT_VARIABLE: str(a_mark(DEAD))})
    strangers = [
        sleeper(started),
        sleeper(started, **{AGENT_VARIABLE: str(a_mark(DEAD, agent="a2"))}),
        sleeper(started, **{AGENT_VARIABLE: str(a_mark(DEAD)._replace(installation="other"))}),
        sleeper(started, **{AGENT_VARIABLE: str(a_mark(DEAD)._replace(numbering="1"))}),
        sleeper(started, **{AGENT_VARIABLE: str(a_mark(this_process(), agent="a1"))}),
        sleeper(started, **{AGENT_VARIABLE: "nonsense"}),
    ]
    assert list(leftovers(heir)) == [left]
    assert sweep(heir) == 1
    wait_until(lambda: not is_alive(left))
    assert all(map(is_alive, strangers)) and sweep(heir) == 0


def test_a_family_is_everything_below_a_run(started: list[subprocess.Popen[bytes]]) -> None:
    families = Families()
    run = subprocess.Popen(["sh", "-c", "sleep 60 & setsid sleep 60 & wait"], env={RUN_VARIABLE: "r1", **os.environ})
    started.append(run)
    families.add("r1", run.pid)
    left = wait_until(lambda: len(found := families.left_of("r1")) == 2 and found)
    assert set(left) == set(descendants(run.pid))
    families.kill("r1")
    wait_until(lambda: not any(map(is_alive, left)))
    assert [ended.run_id for ended in wait_until(lambda: list(families.reap()))] == ["r1"]
    run.returncode = -9
    assert families.left_of("r1") == []


def test_processes_that_were_there_before_belong_to_no_run(started: list[subprocess.Popen[bytes]]) -> None:
    before = sleeper(started, **{RUN_VARIABLE: "r1"})
    families = Families()
    families.add("r1", DEAD.pid)
    assert families.left_of("r1") == [] and is_alive(before)
