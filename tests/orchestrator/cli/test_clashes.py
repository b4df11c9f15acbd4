"""What is started twice, or for a queue that is not there: a second scheduler, an agent of a name that is taken."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.support.waiting import wait_until

SHORT = {"HEADGATE_LEASE_SECONDS": "6", "HEADGATE_RENEW_SECONDS": "1"}
"""Whether the holder of a name lives shows in its next heartbeat, which is waited for."""


class Role:
    """A long-lived command, and what it says."""

    def __init__(self, headgate: Headgate, log: Path, *words: str) -> None:
        self.log = log
        with open(log, "wb") as stream:
            self.process = subprocess.Popen(
                headgate.command(words), env=headgate.environment, cwd=headgate.folder, stdout=stream, stderr=stream
            )

    def says(self, text: str) -> None:
        """Wait until it has said something."""
        wait_until(lambda: text in self.log.read_text(), 30, message=self.log.read_text)


@pytest.fixture
def start(headgate: Headgate, tmp_path: Path, running: list[subprocess.Popen[Any]]) -> Any:
    """Starts a long-lived command that is killed at the end."""

    def begin(*words: str) -> Role:
        role = Role(headgate.with_settings(**SHORT), tmp_path / f"{len(running)}.log", *words)
        running.append(role.process)
        return role

    return begin


def leader(opened: Any) -> int | None:
    """The pid of the scheduler that leads."""
    scheduler = opened.status().scheduler
    return scheduler.pid if scheduler.leads else None


def test_a_second_scheduler_stands_by_and_leads_when_the_first_has_gone(opened: Any, start: Any) -> None:
    first = start("scheduler", "start")
    first.says("leads")
    second = start("scheduler", "start")
    second.says("stands_by")
    assert leader(opened) == first.process.pid
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(20) == 0
    wait_until(lambda: leader(opened) == second.process.pid, 20)


def test_a_name_of_a_living_agent_is_refused_with_its_host_and_pid(headgate: Headgate, opened: Any, start: Any) -> None:
    start("agent", "start", "--name", "ant")
    (holder,) = wait_until(opened.list_agents, 30)
    before = [agent.pid for agent in opened.list_agents()]
    answer = headgate("agent", "start", "--name", "ant", code=4, settings=SHORT)
    said = f"the name 'ant' is held by a living agent on {socket.gethostname()} (pid {holder.pid})"
    assert said in answer.err and "--name" in answer.err and answer.out == ""
    assert [agent.pid for agent in opened.list_agents()] == before


@pytest.mark.slow
def test_the_name_of_an_agent_that_was_killed_is_taken_over_at_once(opened: Any, start: Any) -> None:
    keeper = start("agent", "start", "--name", "ant").process
    (dead,) = wait_until(opened.list_agents, 30)
    os.kill(keeper.pid, signal.SIGKILL)
    start("agent", "start", "--name", "ant")
    wait_until(lambda: [agent.pid for agent in opened.list_agents() if agent.pid != dead.pid], 15)


def test_an_agent_for_a_queue_that_does_not_exist_is_refused_unless_it_may_make_it(
    headgate: Headgate, opened: Any, start: Any, contents: Any
) -> None:
    opened.create_work_queue("training")
    before = contents()
    answer = headgate("agent", "start", "-q", "trainig", code=3)
    assert "'trainig'" in answer.err and "did you mean 'training'" in answer.err
    assert "headgate work-queue create trainig" in answer.err and "--create-queues" in answer.err
    assert contents() == before
    start("agent", "start", "-q", "fresh", "--create-queues", "--name", "ant")
    wait_until(opened.list_agents, 30)
    assert "fresh" in [queue.name for queue in opened.list_work_queues()]
