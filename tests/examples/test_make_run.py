"""`make run` as a newcomer meets it: a finished training soon, Ctrl-C that ends everything, a history that stays."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.rules.source_files import ROOT
from tests.support.waiting import wait_until


class Story:
    """`make run`'s script in a session of its own, with what it has printed so far."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.output = home.parent / f"{home.name}-{time.monotonic_ns()}.txt"
        with open(self.output, "w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "deploy/examples/run.py", "--home", str(home)],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def text(self) -> str:
        """Everything printed so far."""
        return self.output.read_text()

    def reaches(self, words: str, within: float) -> bool:
        """Wait until the words were printed; False when the process has ended without them."""
        wait_until(lambda: words in self.text() or self.process.poll() is not None, within, message=self.text)
        return words in self.text()

    def interrupt(self) -> float:
        """Ctrl-C; the seconds until the process and all it started were gone."""
        started = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(20)
        wait_until(lambda: not processes_of(self.home), within=10, message="every process to end")
        return time.monotonic() - started


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process of a home: each carries it in its environment or its command line."""

    def belongs(process: psutil.Process) -> bool:
        try:
            return str(home) in process.environ().get("HEADGATE_HOME", "") + " ".join(process.cmdline())
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if belongs(process)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own; whatever still belongs to it at the end is killed, by process id."""
    folder = tmp_path / "home"
    yield folder
    for process in processes_of(folder):
        process.kill()


def test_make_run_trains_a_model_ends_with_ctrl_c_and_remembers(home: Path) -> None:
    first = Story(home)
    assert first.reaches("started one run by hand", within=30), first.text()
    assert first.reaches("COMPLETED", within=60), first.text()
    told = first.text()
    assert "RMSE of validation" in told
    assert "main/model_training runs every 5 minutes" in told
    assert "at 09:00 on day 15 of the month (America/New_York)" in told
    assert first.interrupt() < 5
    assert first.process.returncode == 0

    second = Story(home)
    assert second.reaches("runs of earlier starts are still there: 1", within=30), second.text()
    assert second.interrupt() < 5
