"""`headgate status`: one screen, in place on a terminal, stable text elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import termios
from typing import Any

import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import Worker, spec
from tests.support.redis_server import RedisServer
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

KEYS = ["at", "redis", "scheduler", "scheduled", "queued", "late", "running", "problems"]
KEYS += ["work_queues", "agents", "late_runs", "last_failures"]


@pytest.fixture
def busy(opened: Any, store: Any) -> Any:
    """A client of an installation with queues, agents, a failure, and runs that wait."""
    opened.create_from_spec(spec())
    worker = Worker(store, "ant")
    for number in range(12):
        opened.create_work_queue(f"queue-{number:02}")
        Worker(store, f"bee-{number:02}", queues=(f"queue-{number:02}",))
    for _ in range(30):
        opened.run_deployment("score/nightly")
    worker.run_one(state="FAILED", reason="ValueError: \x1b[2Jbad")
    worker.start()
    store.travel(60_000_000)
    return opened


def on_terminal(headgate: Headgate, *words: str) -> Terminal:
    """A command on a terminal of 24 lines that can do colours."""
    headgate = headgate.with_settings(TERM="xterm", NO_COLOR="")
    return Terminal(headgate.command(words), environment=headgate.environment, folder=headgate.folder)


def test_programs_get_one_object_or_text_without_escapes(headgate: Headgate, busy: Any) -> None:
    assert list(headgate.json("status")) == KEYS
    text = headgate("status").out
    assert "\x1b" not in text
    head = [line.split("\t")[0] for line in text.splitlines() if line]
    assert head[:5] == ["Time", "Redis", "Scheduler", "Runs", "Problem"]
    assert "\nWork Queue\tState\tSlots\tQueued\tLate\tOldest Wait\tAgents\ndefault\tready\t1/-\t28\t" in text
    assert re.search(r"\nAgent\tHost\tState\tRuns\tHeartbeat\tQueues\nant\t\S+\trunning\t\d/4\t\d{4}-\d\d-\d\dT", text)
    assert "\tValueError: \\x1b[2Jbad\n" in text


def test_a_terminal_gets_no_more_than_one_screen_and_is_told_what_shows_the_rest(headgate: Headgate, busy: Any) -> None:
    with on_terminal(headgate, "status") as terminal:
        assert terminal.ends() == 0
        lines = terminal.screen().splitlines()
    assert len(lines) <= 23
    assert any(re.fullmatch(r"and \d+ more: headgate work-queue ls", line) for line in lines)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert all(len(line) <= 100 for line in plain)
    assert any(line.startswith("! no scheduler is running") for line in plain)
    assert any(line.startswith("Last Failure") for line in plain)


def test_a_watch_draws_in_place_until_q(headgate: Headgate, opened: Any) -> None:
    with on_terminal(headgate, "status", "--watch") as terminal:
        terminal.shows("No run has failed.")
        opened.create_work_queue("fresh")
        assert re.search(r"\x1b\[\d+F", terminal.shows("fresh"))
        assert not termios.tcgetattr(terminal.keyboard)[3] & termios.ICANON
        terminal.press("q")
        assert terminal.ends() == 0
        assert termios.tcgetattr(terminal.keyboard)[3] & termios.ICANON


def test_ctrl_c_ends_a_watch_and_leaves_the_terminal_as_it_was(headgate: Headgate) -> None:
    with on_terminal(headgate, "status", "--watch") as terminal:
        terminal.shows("No run has failed.")
        terminal.press("\x03")
        assert terminal.ends() == 130
        assert termios.tcgetattr(terminal.keyboard)[3] & termios.ICANON
        assert "Traceback" not in terminal.screen()


@pytest.mark.slow
def test_a_watch_without_a_terminal_prints_again_and_again(
    headgate: Headgate, running: list[subprocess.Popen[str]]
) -> None:
    command = headgate.command(["status", "--watch", "-o", "jsonl"])
    process = subprocess.Popen(command, env=headgate.environment, stdout=subprocess.PIPE, text=True)
    running.append(process)
    assert process.stdout is not None
    assert [list(json.loads(process.stdout.readline())) for _ in range(2)] == [KEYS, KEYS]


@pytest.mark.slow
def test_a_watch_goes_on_when_redis_goes_and_when_it_returns(headgate: Headgate, own_redis: RedisServer) -> None:
    with on_terminal(headgate.with_settings(HEADGATE_REDIS_URL=own_redis.url), "status", "-w") as terminal:
        terminal.shows("No run has failed.")
        own_redis.kill()
        terminal.shows("! nothing new since the time above: Redis at ")
        own_redis.restart()
        told = len(terminal.screen())
        wait_until(lambda: "No run has failed." in terminal.screen()[told:].rpartition("\x1b[J")[0], 20)
        terminal.press("q")
        assert terminal.ends() == 0


def test_without_redis_it_is_exit_5(offline: Headgate) -> None:
    assert offline("status", code=5).out == ""
    assert "does not answer" in offline("status", "--watch", "-o", "json", code=5).error()["message"]
