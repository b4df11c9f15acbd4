"""The kernel calls, each seen to work in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.kernel import children_of
from tests.support.waiting import wait_until


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def start(code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_stopped_process_is_killed_by_its_dead_man_timer(started: list[subprocess.Popen[bytes]]) -> None:
    code = "from agent.kernel import *\ntimer = DeadManTimer()\ntimer.set(boot_time() + 0.4)\nprint(flush=True)\n"
    process = start(code + "time.sleep(60)")
    started.append(process)
    began = time.monotonic()
    os.kill(process.pid, signal.SIGSTOP)
    assert process.wait(5) == -signal.SIGKILL
    assert time.monotonic() - began < 1.5


def test_a_timer_that_is_set_anew_or_disarmed_does_not_kill(started: list[subprocess.Popen[bytes]]) -> None:
    code = "from agent.kernel import *\ntimer = DeadManTimer()\nprint(flush=True)\n"
    code += "for _ in range(8):\n    timer.set(boot_time() + 0.6)\n    time.sleep(0.1)\n"
    process = start(code + "timer.disarm()\ntime.sleep(0.7)")
    started.append(process)
    assert process.wait(10) == 0


def test_a_moment_that_has_passed_kills_at_once(started: list[subprocess.Popen[bytes]]) -> None:
    code = "from agent.kernel import *\ntimer = DeadManTimer()\nprint(flush=True)\ntimer.set(boot_time() - 5)\n"
    process = start(code + "time.sleep(60)")
    started.append(process)
    assert process.wait(5) == -signal.SIGKILL


def test_orphans_become_children_of_the_process_that_adopts_them(started: list[subprocess.Popen[bytes]]) -> None:
    code = "from agent.kernel import *\nimport subprocess\nadopt_orphans()\n"
    code += "subprocess.run('setsid sleep 60 & exit', shell=True)\nprint(flush=True)\ntime.sleep(60)"
    process = start(code)
    started.append(process)
    orphan = wait_until(lambda: children_of(process.pid))[0]
    wait_until(lambda: "sleep" in Path(f"/proc/{orphan}/cmdline").read_text())  # it may be about to become that
    os.kill(orphan, signal.SIGKILL)
