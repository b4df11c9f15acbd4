"""The small process manager behind `headgate start`, with children of our own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from orchestrator.cli.process_manager import Part, ending
from tests.support.waiting import wait_until

MANAGER = """
import os, sys
from orchestrator.cli.process_manager import Part, ProcessManager
commands = [[sys.executable, "-c", code] for code in sys.argv[1:]]
parts = [Part(name=f"part{n}", command=command, environment=os.environ) for n, command in enumerate(commands)]
manager = ProcessManager(parts, lambda text: print(text, flush=True), patience=1.0)
sys.exit(manager.run(lambda: print("up", flush=True)))
"""
OBEDIENT = "import signal; signal.pause()"
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


class Managed:
    """A manager in a process of its own, and what it says."""

    def __init__(self, process: subprocess.Popen[str], path: Any) -> None:
        self.process = process
        self.path = path

    def said(self) -> str:
        return str(self.path.read_text())

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


@pytest.fixture
def manage(tmp_path: Any, running: list[subprocess.Popen[Any]]) -> Iterator[Callable[..., Managed]]:
    def start(*codes: str) -> Managed:
        with open(tmp_path / "said", "wb") as said:
            process = subprocess.Popen([sys.executable, "-c", MANAGER, *codes], stdout=said, stderr=said, text=True)
        running.append(process)
        managed = Managed(process, tmp_path / "said")
        wait_until(lambda: "up" in managed.said() or process.poll() is not None, 10, message=managed.said)
        return managed

    yield start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_ends_every_child_and_then_the_manager(manage: Callable[..., Managed], number: int) -> None:
    managed = manage(OBEDIENT, OBEDIENT)
    children = managed.children()
    assert len(children) == 2 and managed.end(number) == 0
    assert not any(child.is_running() for child in children)


def test_a_child_that_ignores_the_signal_is_killed(manage: Callable[..., Managed]) -> None:
    managed = manage(STUBBORN)
    wait_until(lambda: "ready" in managed.said(), 10)
    began = time.monotonic()
    assert managed.end(signal.SIGTERM) == 0
    assert 0.9 < time.monotonic() - began < 5
    assert "part0 did not end in 1 s and is killed" in managed.said()


def test_a_child_that_dies_is_started_again_with_a_line(manage: Callable[..., Managed]) -> None:
    managed = manage(OBEDIENT)
    (child,) = managed.children()
    child.kill()
    wait_until(lambda: "started again" in managed.said(), 10)
    (successor,) = managed.children()
    assert f"part0 (pid {child.pid}) was killed by SIGKILL" in managed.said()
    assert f"part0 started again, pid {successor.pid}" in managed.said()
    assert managed.end(signal.SIGTERM) == 0


def test_a_child_that_refuses_to_start_ends_everything_with_its_code(manage: Callable[..., Managed]) -> None:
    managed = manage(OBEDIENT, "import sys; sys.exit(4)")
    assert managed.process.wait(10) == 4


def test_children_go_when_the_manager_is_killed(manage: Callable[..., Managed]) -> None:
    managed = manage(OBEDIENT)
    (child,) = managed.children()
    managed.end(signal.SIGKILL)
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)


def test_the_pause_grows_while_a_child_dies_young_and_shrinks_after_a_long_life() -> None:
    part = Part(name="part", command=[], environment=os.environ)
    assert [part.pause_after_death(now) for now in (1, 2, 3, 4, 5)] == [0, 0.5, 1, 2, 4]
    assert [part.pause_after_death(now) for now in (6, 7, 8, 9)] == [8, 16, 30, 30]
    assert part.pause_after_death(100) == 0


@pytest.mark.parametrize(
    "code, text", [(0, "exited with code 0"), (-9, "was killed by SIGKILL"), (-99, "was killed by signal 99")]
)
def test_an_ending_in_words(code: int, text: str) -> None:
    assert ending(code) == text
