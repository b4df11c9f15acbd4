"""`headgate start`, `agent start` and the embedded Redis they share with every other command: real processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.support.waiting import wait_until

FLOW = """
import time
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec

@flow
def main(seconds: float = 0.0):
    print("hello from the flow", flush=True)
    time.sleep(seconds)

DeploymentSpec(flow=main, name="d")
"""


class Role:
    """A long-lived command, and what it says."""

    def __init__(self, headgate: Headgate, words: tuple[str, ...]) -> None:
        self.log = headgate.folder / f"{'-'.join(words[:2])}-{time.monotonic_ns()}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                headgate.command(words), env=headgate.environment, cwd=headgate.folder, stdout=log, stderr=log
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def waits_for(self, text: str, within: float = 20) -> str:
        return str(wait_until(lambda: re.search(text, self.said()), within, message=self.said).group())

    def pid_of(self, name: str) -> int:
        """The pid that was said last of a part."""
        return int(re.findall(rf"{name} started(?: again)?, pid (\d+)", self.said())[-1])


@pytest.fixture
def alone(tmp_path: Path) -> Headgate:
    """The command with a home of its own and no address of a Redis."""
    return Headgate(folder=tmp_path)


@pytest.fixture
def role(alone: Headgate) -> Iterator[Callable[..., Role]]:
    """Starts long-lived commands; whatever is left of that home at the end is killed."""
    roles: list[Role] = []

    def start(*words: str) -> Role:
        roles.append(Role(alone, words))
        return roles[-1]

    yield start
    for process in of_home(alone):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for one in roles:
        one.process.kill()
        one.process.wait(10)


def of_home(headgate: Headgate) -> list[psutil.Process]:
    """Every living process that works for the home of a test: commands, roles, flows, Redis and its guard."""
    home, found = str(headgate.folder / "home"), []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            mine = process.environ().get("HEADGATE_HOME") == home or any(home in word for word in process.cmdline())
            if mine and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_one_command_runs_it_all_and_one_ctrl_c_ends_it_all(alone: Headgate, role: Callable[..., Role]) -> None:
    alone("deployment", "create", alone.write("flows.py", FLOW))
    start = role("start", "--agent-limit", "3")
    start.waits_for("agent started, pid")
    done = alone("deployment", "run", "main/d", "--watch")
    assert "hello from the flow" in done.out
    (agent,) = alone.json("agent", "ls")
    assert (agent["queues"], agent["limit"], agent["state"]) == (["default"], 3, "running")
    going = alone.json("deployment", "run", "main/d", "-p", "seconds=60")["id"]
    wait_until(lambda: alone.json("flow-run", "inspect", going)["state"] == "RUNNING", 10)
    start.process.send_signal(signal.SIGINT)
    assert start.process.wait(5) == 0
    wait_until(lambda: not of_home(alone), 1, message=lambda: of_home(alone))
    assert "everything has ended" in start.said()
    assert alone.json("flow-run", "inspect", going)["state"] == "QUEUED"


@pytest.mark.slow
def test_what_dies_is_started_again_with_a_line(alone: Headgate, role: Callable[..., Role]) -> None:
    alone("deployment", "create", alone.write("flows.py", FLOW))
    start = role("start")
    start.waits_for("agent started, pid")
    for name in ("scheduler", "agent"):
        pid = start.pid_of(name)
        os.kill(pid, signal.SIGKILL)
        start.waits_for(rf"{name} \(pid {pid}\) was killed by SIGKILL")
        start.waits_for(rf"{name} started again, pid \d+")
    (redis,) = [process for process in of_home(alone) if "redis-server" in process.name()]
    redis.kill()
    start.waits_for("Redis had died and was started again on its data")
    wait_until(lambda: alone("deployment", "run", "main/d", "--watch", "--timeout", "15", code=None).code == 0, 40)
    start.process.send_signal(signal.SIGTERM)
    assert start.process.wait(6) == 0


def test_without_an_agent_and_with_options_of_a_later_version(alone: Headgate, role: Callable[..., Role]) -> None:
    start = role("start", "--no-agent", "--host", "0.0.0.0", "--port", "4200")
    start.waits_for("scheduler started, pid")
    assert "--host has no effect: the server" in start.said() and "--port has no effect" in start.said()
    assert alone.json("agent", "ls") == [] and "agent started" not in start.said()
    start.process.send_signal(signal.SIGINT)
    assert start.process.wait(5) == 0


def test_a_single_command_brings_its_redis_and_leaves_the_data(alone: Headgate) -> None:
    alone("work-queue", "create", "ml", "--limit", "2")
    wait_until(lambda: not of_home(alone), 5, message=lambda: of_home(alone))
    assert [queue["name"] for queue in alone.json("work-queue", "ls")] == ["default", "ml"]
    assert Path(alone.json("version")["redis_url"].removeprefix("unix://")).parent.stat().st_mode & 0o77 == 0


@pytest.mark.slow
def test_an_agent_becomes_its_keeper_and_holds_the_embedded_redis(alone: Headgate, role: Callable[..., Role]) -> None:
    agent = role("agent", "start", "-q", "ml", "-q", "default", "--name", "a1", "--create-queues")
    agent.waits_for("agent started")
    assert "agent.keeper" in " ".join(psutil.Process(agent.process.pid).cmdline())
    (listed,) = alone.json("agent", "ls")
    assert (listed["name"], listed["queues"]) == ("a1", ["ml", "default"])
    assert [queue["agents"] for queue in alone.json("work-queue", "ls")] == [1, 1]
    taken = alone("agent", "start", "--name", "a1", code=4)
    assert f"pid {listed['pid']}" in taken.err and listed["host"] in taken.err
    assert "drain" in alone("agent", "drain", "a1").out
    assert agent.process.wait(10) == 0
    wait_until(lambda: not of_home(alone), 5, message=lambda: of_home(alone))


def test_start_on_a_redis_that_is_not_there_is_exit_5(offline: Headgate) -> None:
    for words in (["start"], ["scheduler", "start"], ["agent", "start"]):
        assert offline(*words, code=5).err.startswith("Error: Redis at unix://")


def test_a_run_here_needs_no_agent_and_leaves_no_record(alone: Headgate) -> None:
    text = FLOW.replace("time.sleep(seconds)", "return {'slept': seconds}")
    alone("deployment", "create", alone.write("flows.py", text))
    here = alone("deployment", "run", "main/d", "--here", "-p", "seconds=2")
    assert here.out.endswith("\thello from the flow\n") and 'ended COMPLETED; result: {"slept": 2.0}' in here.err
    told: dict[str, Any] = alone.json("deployment", "run", "main/d", "--here")
    assert list(told) == ["id", "name", "state", "reason", "result"] and told["result"] == {"slept": 0.0}
    assert alone.json("flow-run", "ls") == []


@pytest.mark.slow
def test_a_run_here_has_the_variables_and_limits_of_its_deployment(alone: Headgate) -> None:
    body = "import os; print(os.environ['REGION']); kept = b'x' * (90 << 20); time.sleep(9)"
    runner = "flow_runner=SubprocessFlowRunner(limits=ResourceLimits(memory='64 MiB'))"
    text = FLOW.replace("time.sleep(seconds)", body).replace('name="d"', f'name="d", {runner}')
    text = "from orchestrator.flow_runners import ResourceLimits, SubprocessFlowRunner\n" + text
    alone("deployment", "create", alone.write("flows.py", text))
    here = alone("deployment", "run", "main/d", "--here", "--env", "REGION=south", code=6)
    assert "south" in here.out and "ended OverLimit: over its memory limit of 64 MiB (peak " in here.err


def test_a_run_here_that_fails_is_exit_6_after_its_tries(alone: Headgate) -> None:
    text = FLOW.replace("time.sleep(seconds)", "raise ValueError('broken')").replace('name="d"', 'name="d", retries=1')
    alone("deployment", "create", alone.write("flows.py", text))
    here = alone("deployment", "run", "main/d", "--here", code=6)
    assert here.out.count("hello from the flow") == 2 and "attempt 1 ended FAILED" in here.err
    assert "Error: main/d ended FAILED: ValueError: broken" in here.err


def test_ctrl_c_ends_a_run_here_with_all_it_started(alone: Headgate, role: Callable[..., Role]) -> None:
    text = FLOW.replace("time.sleep(seconds)", "import subprocess; subprocess.run(['sleep', '60'])")
    alone("deployment", "create", alone.write("flows.py", text))
    here = role("deployment", "run", "main/d", "--here")
    here.waits_for("hello from the flow")
    here.process.send_signal(signal.SIGINT)
    assert here.process.wait(8) == 130
    wait_until(lambda: not of_home(alone), 5, message=lambda: of_home(alone))
