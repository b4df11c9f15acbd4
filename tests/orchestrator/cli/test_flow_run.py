"""`headgate flow-run`, and `deployment run --watch`: what is shown of runs, and what their state refuses."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.store import LogRecord
from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import Worker
from tests.support.waiting import wait_until

RUN_KEYS = ["id", "name", "flow", "deployment", "state", "state_name", "work_queue", "scheduled_start_time"]
RUN_KEYS += ["start_time", "end_time", "attempt", "agent", "why"]
INSPECTED = {"parameters", "state_history", "exit_code", "signal", "reason", "result", "tasks"}
LINE_KEYS = ["timestamp", "attempt", "sequence", "level", "source", "logger", "task", "message", "position"]


def write(store: Any, claim: Any, *texts: str) -> None:
    records = [LogRecord(1_800_000_000_000_000 + number, 0, 20, text) for number, text in enumerate(texts)]
    store.logs.append(claim.run_id, claim.token, claim.attempt, 1, records)


def test_runs_are_listed_newest_first_with_the_keys_that_scripts_rely_on(headgate: Headgate, deployed: Any) -> None:
    runs = [deployed.run_deployment("score/nightly") for _ in range(3)]
    listed = headgate.json("flow-run", "ls")
    assert list(listed[0]) == RUN_KEYS
    assert [run["id"] for run in listed] == [run.id for run in reversed(runs)]
    lines = headgate("flow-run", "ls", "--limit", "2", "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [runs[2].id, runs[1].id]


def test_runs_are_filtered(headgate: Headgate, deployed: Any, worker: Worker) -> None:
    first, second = (deployed.run_deployment("score/nightly") for _ in range(2))
    worker.run_one()

    def found(*words: str) -> list[str]:
        return [run["id"] for run in headgate.json("flow-run", "ls", *words)]

    assert found("--state", "completed") == [first.id]
    assert found("--state", "QUEUED", "--queue", "default", "--deployment", "score/nightly") == [second.id]
    assert len(found("--since", "1h")) == 2
    assert headgate("flow-run", "ls", "--queue", "nowhere", code=3).out == ""


def test_a_run_is_inspected_by_name_id_and_the_start_of_its_id(
    headgate: Headgate, deployed: Any, worker: Worker
) -> None:
    run = deployed.run_deployment("score/nightly", {"a": 1})
    worker.finish(worker.start(), data={"result": b'{"rows": 3}'}, fields={"exit_code": 0})
    for ref in (run.name, run.id, run.id[:8]):
        shown = headgate.json("flow-run", "inspect", ref)
        assert shown["id"] == run.id and set(shown) >= INSPECTED
    assert (shown["state"], shown["result"], shown["parameters"], shown["exit_code"]) == (
        "COMPLETED",
        {"rows": 3},
        {"a": 1},
        0,
    )
    text = headgate("flow-run", "inspect", run.id).out
    assert 'Result\t{"rows": 3}\n' in text and "\nState history\nTimestamp\tState\tActor\tReason\n" in text


def test_logs_are_printed_in_order_and_can_not_forge_lines(
    headgate: Headgate, deployed: Any, worker: Worker, store: Any
) -> None:
    run = deployed.run_deployment("score/nightly")
    write(store, worker.start(), "one", "two\n2026-01-01T00:00:00Z\t1\tINFO\t-\tforged", "\x1b[2Jthree")
    lines = headgate("flow-run", "logs", run.id).out.splitlines()
    assert lines[0] == "2027-01-15T08:00:00Z\t1\tINFO\t-\tone"
    assert lines[2].startswith("\t\t\t\t2026") and lines[3].endswith("\t\\x1b[2Jthree")
    told = [json.loads(line) for line in headgate("flow-run", "logs", run.id, "-o", "jsonl").out.splitlines()]
    assert list(told[0]) == LINE_KEYS and told[2]["message"] == "\x1b[2Jthree"


def test_followed_logs_come_as_they_are_written_and_end_with_the_run(
    headgate: Headgate, deployed: Any, worker: Worker, store: Any, running: list[subprocess.Popen[str]]
) -> None:
    run = deployed.run_deployment("score/nightly")
    claim = worker.start()
    command = headgate.command(["flow-run", "logs", "-f", run.id])
    follower = subprocess.Popen(command, env=headgate.environment, stdout=subprocess.PIPE, text=True)
    running.append(follower)
    assert follower.stdout is not None
    write(store, claim, "now")
    assert follower.stdout.readline().endswith("\tnow\n")
    worker.finish(claim)
    assert (follower.wait(10), follower.stdout.read()) == (0, "")


def test_cancel_of_a_waiting_run_and_the_same_again(headgate: Headgate, deployed: Any, contents: Any) -> None:
    run = deployed.run_deployment("score/nightly")
    assert "is cancelled (was QUEUED)" in headgate("flow-run", "cancel", run.id).out
    before = contents()
    again = headgate.json("flow-run", "cancel", run.id)
    assert again == {"id": run.id, "name": run.name, "state_before": "CANCELLED", "state": "CANCELLED"}
    assert contents() == before


def test_what_the_state_refuses_is_exit_4_and_changes_nothing(
    headgate: Headgate, deployed: Any, worker: Worker, contents: Any
) -> None:
    ended, going = deployed.run_deployment("score/nightly"), deployed.run_deployment("score/nightly")
    worker.run_one()
    worker.start()
    before = contents()
    assert f"{ended.name} is COMPLETED since" in headgate("flow-run", "cancel", ended.id, code=4).err
    error = headgate("flow-run", "retry", going.id, "-o", "json", code=4).error()
    assert error["code"] == "refused-by-state" and f"{going.name} is RUNNING since" in error["message"]
    assert contents() == before


def test_a_retry_is_a_new_run(headgate: Headgate, deployed: Any, worker: Worker) -> None:
    run = deployed.run_deployment("score/nightly", {"a": 1})
    worker.run_one(state="FAILED")
    made = headgate.json("flow-run", "retry", run.name)
    assert list(made) == ["id", "name"]
    assert deployed.get_flow_run(made["id"]).retry_of == run.id


@pytest.mark.parametrize("verb", ["inspect", "logs", "cancel", "retry", "explain", "watch", "delete"])
def test_an_unknown_run_is_exit_3_and_an_ambiguous_one_exit_2(
    headgate: Headgate, deployed: Any, verb: str, contents: Any
) -> None:
    runs = [deployed.run_deployment("score/nightly") for _ in range(20)]
    first = next(letter for letter in "0123456789abcdef" if sum(run.id.startswith(letter) for run in runs) > 1)
    before = contents()
    assert f"nearest are {runs[0].name}" in headgate("flow-run", verb, f"{runs[0].name}x", code=3).err
    answer = headgate("flow-run", verb, first, code=2)
    assert all(run.name in answer.err or run.id in answer.err for run in runs if run.id.startswith(first))
    assert contents() == before


def test_explain_names_the_holders_and_the_command_that_helps(
    headgate: Headgate, deployed: Any, worker: Worker
) -> None:
    headgate("work-queue", "set-concurrency-limit", "default", "1")
    holder, waiting = deployed.run_deployment("score/nightly"), deployed.run_deployment("score/nightly")
    worker.start()
    text = headgate("flow-run", "explain", waiting.id).out
    taken = f"the only slot of work queue default is taken, by {holder.name} on {socket.gethostname()} for "
    assert text.startswith(f"{waiting.name} is Queued: {taken}")
    assert "    headgate work-queue set-concurrency-limit default 2\n" in text
    told = headgate.json("flow-run", "explain", waiting.id)
    assert told["reasons"][0]["code"] == "limit-full" and told["holders"][0]["run_id"] == holder.id


@pytest.fixture
def watching(
    headgate: Headgate, worker: Worker, running: list[subprocess.Popen[str]]
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `deployment run --watch` and returns once its run has been taken by the agent."""

    def start(*words: str) -> subprocess.Popen[str]:
        command = headgate.command(["deployment", "run", "score/nightly", "--watch", *words])
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=headgate.environment, stdout=pipe, stderr=pipe, text=True)
        running.append(process)
        return process

    yield start


def taken(worker: Worker) -> Any:
    """The claim of the next run, once there is one."""
    claims = wait_until(worker.claim, 20)
    worker.claims.confirm(claims[0].run_id, claims[0].token, claims[0].claim_id)
    return claims[0]


@pytest.mark.parametrize("state, code", [("COMPLETED", 0), ("FAILED", 6), ("CRASHED", 6)])
def test_a_watched_run_ends_with_the_code_of_its_state(
    watching: Callable[..., subprocess.Popen[str]], worker: Worker, store: Any, state: str, code: int
) -> None:
    process = watching()
    claim = taken(worker)
    write(store, claim, "a line")
    worker.finish(claim, state=state, reason="because")
    out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert out.startswith("Created flow run ") and out.endswith("\ta line\n")
    assert "RUNNING" in err and state in err and "because" in err


def test_a_watch_that_takes_too_long_is_exit_7_and_the_run_goes_on(headgate: Headgate, deployed: Any) -> None:
    answer = headgate("deployment", "run", "score/nightly", "--watch", "--timeout", "0.3", "-o", "json", code=7)
    assert answer.error()["code"] == "timed-out"
    assert deployed.get_flow_run(answer.json()["id"]).state == "QUEUED"


def test_ctrl_c_leaves_a_watched_run_alone(
    watching: Callable[..., subprocess.Popen[str]], worker: Worker, deployed: Any
) -> None:
    process = watching()
    claim = taken(worker)
    assert process.stderr is not None
    timer = threading.Timer(20, process.kill)
    timer.start()
    while "RUNNING" not in process.stderr.readline():
        assert process.poll() is None
    timer.cancel()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130 and "Traceback" not in err
    assert deployed.get_flow_run(claim.run_id).state == "RUNNING"


def test_a_reader_that_goes_away_is_no_error(headgate: Headgate, deployed: Any) -> None:
    for _ in range(3):
        deployed.run_deployment("score/nightly")
    command = " ".join(headgate.command(["flow-run", "ls"]))
    script = f"{command} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], env=headgate.environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ID\t") and done.stdout.endswith("\n0\n") and done.stderr == ""


@pytest.mark.parametrize("columns", [20, 200])
def test_a_terminal_of_any_width_gets_a_table_without_escapes_when_it_is_dumb(
    headgate: Headgate, deployed: Any, columns: int
) -> None:
    run = deployed.run_deployment("score/nightly")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = headgate.environment | {"TERM": "dumb"}
    environment.pop("COLUMNS", None)  # readline, once loaded into a test process, hands its own width to the next one
    done = subprocess.run(headgate.command(["flow-run", "ls"]), env=environment, stdout=slave, check=False)
    os.close(slave)
    shown = os.read(master, 10_000).decode()
    os.close(master)
    assert done.returncode == 0 and "\x1b" not in shown and "\t" not in shown
    assert shown.startswith("ID  " if columns == 200 else "Name  ")
    assert (run.id if columns == 200 else f"{run.name[:7]}…") in shown
