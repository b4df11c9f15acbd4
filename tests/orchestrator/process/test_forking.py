"""Forks whose parent is not the process that forked them: it waits for none of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
SCRIPT = """
import os, sys, threading
sys.path.insert(0, {repo!r})
from agent.kernel import adopt_orphans
from orchestrator.process import forking
adopt_orphans()
hooks = []
os.register_at_fork(after_in_child=lambda: hooks.append(os.getpid()))
template = os.fork()
if template == 0:
    fork = {way}
    assert fork.__name__ == {name!r}
    if fork():
        os._exit(0)
    # What glibc and Python know of this process is about this process.
    ran = []
    thread = threading.Thread(target=lambda: ran.append(os.getpid()))
    thread.start()
    thread.join()
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.write(1, f"{{os.getpid()}} {{os.getppid()}} {{ran[0]}} {{hooks[-1]}} {{threading.get_native_id()}}\\n".encode())
    os._exit(7)
os.waitpid(template, 0)
pid, status = os.wait()
os.write(1, f"{{os.getpid()}} {{pid}} {{os.waitstatus_to_exitcode(status)}}\\n".encode())
"""
WAYS = [("forking.fork_twice", "fork_twice"), ("forking.way()", "fork")]


@pytest.mark.parametrize(("way", "name"), WAYS)
def test_the_parents_parent_is_the_one_that_waits_for_it(way: str, name: str) -> None:
    if name == "fork" and os.uname().machine not in ("x86_64", "aarch64"):
        pytest.skip("no such call is known here")
    script = SCRIPT.format(repo=str(REPO), way=way, name=name)
    ran = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, check=True, text=True, timeout=30)
    (me, parent, thread, hook, number), (supervisor, ended, code) = map(str.split, ran.stdout.splitlines())
    assert me == thread == hook == number == ended
    assert (parent, code) == (supervisor, "7")
