"""`headgate agent` and labels as a user meets them."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.orchestrator.cli.test_status import on_terminal
from tests.support.deployments import Worker, spec
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--label", "G P U"], "region=eu"),
        (["-m", "ML*"], "as in 'ml-*'"),
        (["-m", "a*b"], "as in 'ml-*'"),
        (["--health-port", "65536"], "0 to 65535"),
    ],
)
def test_what_no_agent_can_be_started_with_is_refused_before_redis_is_asked(
    offline: Headgate, words: list[str], said: str
) -> None:
    assert said in offline("agent", "start", *words, code=2).err


def test_a_watch_of_the_agents_draws_in_place_until_q(headgate: Headgate, store: Any) -> None:
    with on_terminal(headgate, "agent", "ls", "--watch") as terminal:
        terminal.shows("There are no agents")
        Worker(store, "ant", labels=("gpu", "region=eu"))
        assert "gpu, region=eu" in terminal.shows("ant")
        terminal.press("q")
        assert terminal.ends() == 0


def test_a_run_that_nobody_has_the_label_for_is_made_and_warned_about(
    headgate: Headgate, opened: Any, store: Any
) -> None:
    opened.create_from_spec(spec())
    Worker(store, "ant")
    answer = headgate("deployment", "run", "nightly", "--requires", "gpu")
    assert "Warning: it needs an agent with label gpu, and no agent that listens to default has that" in answer.err
    told = headgate("flow-run", "explain", answer.out.split()[3].rstrip(",")).out
    assert "needs an agent with label gpu; those that listen to default are ant (no label)" in told


@pytest.mark.slow
def test_a_deployment_for_labels_says_which_agent_to_start(headgate: Headgate) -> None:
    text = (
        "from orchestrator import flow\nfrom orchestrator.deployments import DeploymentSpec\n@flow\ndef main(): ...\n"
    )
    headgate.write("flows.py", text + "DeploymentSpec(flow=main, name='d', requires=['gpu', 'region=eu'])\n")
    answer = headgate("deployment", "create", "flows.py")
    assert "requires      an agent with gpu, region=eu" in answer.out
    start = "headgate agent start -q default --label gpu --label region=eu"
    assert f"no agent with labels gpu, region=eu listens to work queue default; start one with `{start}`" in answer.err


@pytest.mark.slow
def test_an_agent_is_started_with_labels_and_prefixes_and_listed_with_them(
    headgate: Headgate, opened: Any, running: list[subprocess.Popen[bytes]]
) -> None:
    opened.create_work_queue("ml-a")
    words = ["agent", "start", "-m", "ml-*", "-m", "etl-", "--label", "gpu", "--health-port", "0", "--name", "ant"]
    process = subprocess.Popen(headgate.command(words), env=headgate.environment, stderr=subprocess.PIPE)
    running.append(process)

    def queues() -> Any:
        return [(agent["queues"], agent["labels"]) for agent in headgate.json("agent", "ls")]

    wait_until(lambda: queues() == [(["ml-a"], ["gpu"])], 20)
    opened.create_work_queue("etl-b")
    wait_until(lambda: queues() == [(["etl-b", "ml-a"], ["gpu"])], 20)
    assert headgate.json("agent", "inspect", "ant")["queue_prefixes"] == ["ml-", "etl-"]
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(15) == 0
