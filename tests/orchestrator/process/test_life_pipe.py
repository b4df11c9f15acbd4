"""When the agent dies, however it dies, its runs die with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.flow_process import FlowProcess, write_flow
from tests.support.waiting import wait_until

FLOW = """
import os, subprocess, time
@flow
def main():
    sleeper = subprocess.Popen(["sleep", "60"])
    open("pids", "w").write(f"{os.getpid()} {sleeper.pid}\\n")
    time.sleep(60)
"""
AGENT = """
import sys, time
from pathlib import Path
from tests.support.flow_process import FlowProcess
child = FlowProcess(Path(sys.argv[1]), life_pipe=True).__enter__()
child.go()
time.sleep(60)
"""


def test_parent_killed_9_takes_child_and_grandchild_with_it(tmp_path: Path) -> None:
    path = write_flow(tmp_path, FLOW)
    agent = subprocess.Popen([sys.executable, "-c", AGENT, str(path)])
    try:
        pids = [int(pid) for pid in wait_until(lambda: read(tmp_path / "pids"), 20).split()]
        assert all(alive(pid) for pid in pids)
    finally:
        agent.kill()
        agent.wait()
    started = time.monotonic()
    wait_until(lambda: not any(alive(pid) for pid in pids), 5)
    assert time.monotonic() - started < 1.0


def test_a_child_that_arms_itself_after_the_agents_death_dies_at_once(tmp_path: Path) -> None:
    with FlowProcess(write_flow(tmp_path, FLOW), life_pipe=True) as child:
        os.close(child.life)
        child.life = os.open("/dev/null", os.O_RDONLY)
        assert child.process.wait(10) == -signal.SIGKILL


def test_the_end_of_the_pipe_alone_kills_a_busy_flow(tmp_path: Path) -> None:
    path = write_flow(tmp_path, "@flow\ndef main():\n    print('ready')\n    while True: pass\n")
    with FlowProcess(path, life_pipe=True) as child:
        child.go().until("out")
        os.close(child.life)
        child.life = os.open("/dev/null", os.O_RDONLY)
        assert child.process.wait(5) == -signal.SIGKILL


def read(path: Path) -> str:
    return path.read_text() if path.exists() and path.read_text().endswith("\n") else ""


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
