"""`headgate flow-run logs` and `watch`: which lines, in what form, and nothing in them that controls a terminal."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from orchestrator.store import LogRecord
from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import Worker
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear": "\x1b[2J\x1b[H",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "link": "\x1b]8;;javascript:alert(1)\x1b\\here\x1b]8;;\x1b\\",
    "title": "\x1b]0;root@host\x07",
    "nested": "\x1b\x1b[0m[2J",
    "c1": "\x9b2J\x9d0;t\x9c",
    "bidi": "abc\u202egpj.exe\u2066x\u2069",
    "return": "ok\rFAILED",
    "markup": "<script>alert(1)</script>",
    "bell": "\x07\x08\x7f\x00",
}
FORBIDDEN = {*map(chr, range(32)), *map(chr, range(127, 160)), *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e"}
FORBIDDEN |= {"\u2066", "\u2067", "\u2068", "\u2069"}
COLOURS = ("\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m")


def write(store: Any, claim: Any, first: int, *records: LogRecord) -> None:
    store.logs.append(claim.run_id, claim.token, claim.attempt, first, list(records))


def line(text: str, level: int = 20, source: int = 0, task: str | None = None, second: int = 0) -> LogRecord:
    return LogRecord(1_800_000_000_000_000 + second * 1_000_000, source, level, text, "own", task)


@pytest.fixture
def run(deployed: Any, worker: Worker, store: Any) -> Any:
    """An ended run: lines of two levels and a task, a printed one, a gap, and one more."""
    made = deployed.run_deployment("score/nightly")
    claim = worker.start()
    lines = [line("one"), line("two", 40, second=1), line("three", task="score-3", second=2), line("four", source=1)]
    write(store, claim, 1, *lines)
    write(store, claim, 10, line("ten", 30, second=3))
    worker.finish(claim)
    return made


def test_lines_are_chosen_by_level_task_time_and_place_and_gaps_are_marked(headgate: Headgate, run: Any) -> None:
    def found(*words: str) -> list[str]:
        lines = headgate("flow-run", "logs", run.name, *words, "-o", "jsonl").out.splitlines()
        told = [json.loads(text) for text in lines]
        return ["gap" if one["source"] == "gap" else one["message"] for one in told]

    assert found("--level", "warning") == ["two", "gap", "ten"] and found("--task", "score") == ["three", "gap"]
    assert found("--tail", "2", "--level", "error", "--since", "1h") == ["two", "gap"]
    assert found("--tail", "0", "-f") == []


def test_a_log_is_followed_from_its_last_wanted_line_on(
    headgate: Headgate, deployed: Any, worker: Worker, store: Any, running: list[subprocess.Popen[str]]
) -> None:
    run = deployed.run_deployment("score/nightly")
    claim = worker.start()
    write(store, claim, 1, line("before"), line("bad", 40), line("after"))
    command = headgate.command(["flow-run", "logs", "-f", "--tail", "1", "--level", "error", "--raw", run.id])
    follower = subprocess.Popen(command, env=headgate.environment, stdout=subprocess.PIPE, text=True)
    running.append(follower)
    assert follower.stdout is not None and follower.stdout.readline() == "bad\n"
    write(store, claim, 4, line("good"), line("worse", 50))
    assert follower.stdout.readline() == "worse\n"
    worker.finish(claim)
    assert (follower.wait(20), follower.stdout.read()) == (0, "")


@pytest.fixture
def hostile(deployed: Any, worker: Worker, store: Any) -> Any:
    """An ended run that wrote everything a log should not."""
    made = deployed.run_deployment("score/nightly")
    claim = worker.start()
    write(store, claim, 1, *[line(text) for text in HOSTILE.values()])
    worker.finish(claim)
    return made


def test_nothing_in_a_log_controls_what_reads_it(headgate: Headgate, hostile: Any) -> None:
    text = headgate("flow-run", "logs", hostile.id).out
    assert len(text.splitlines()) == len(HOSTILE) and not FORBIDDEN - {"\n", "\t"} & set(text)
    assert "\\x1b]52;c;ZXZpbA==\\x07" in text and "\\u202egpj" in text and "\tred\n" in text
    told = headgate("flow-run", "logs", hostile.id, "-o", "jsonl").out
    assert not FORBIDDEN - {"\n"} & set(told)
    assert [json.loads(one)["message"] for one in told.splitlines()] == list(HOSTILE.values())


def test_no_error_of_a_flow_and_no_name_of_a_task_controls_what_reads_it(
    headgate: Headgate, deployed: Any, worker: Worker, store: Any
) -> None:
    run, reason = deployed.run_deployment("score/nightly"), "ValueError: " + "".join(HOSTILE.values())
    claim = worker.start()
    write(
        store, claim, 1, line("one", task=HOSTILE["title"] + "\nforged"), LogRecord(1, 0, 20, "two", "own\tforged\x07")
    )
    worker.finish(claim, "FAILED", reason=reason)
    for words in (("watch",), ("watch", "-o", "json")):
        answer = headgate("flow-run", *words, run.id, code=6)
        assert not FORBIDDEN - {"\n", "\t"} & set(answer.out + answer.err), words
    assert len(headgate("flow-run", "logs", run.id).out.splitlines()) == 2


def test_raw_lines_are_what_the_flow_wrote_byte_for_byte(headgate: Headgate, hostile: Any) -> None:
    command = headgate.command(["flow-run", "logs", "--raw", hostile.id])
    environment = headgate.environment | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert done.stdout == "".join(f"{text}\n" for text in HOSTILE.values()).encode() and done.stderr == b""


@pytest.mark.parametrize("words", [(), pytest.param(("--raw",), marks=pytest.mark.slow)])
def test_no_log_controls_a_terminal_raw_or_not(headgate: Headgate, hostile: Any, words: tuple[str, ...]) -> None:
    command = headgate.command(["flow-run", "logs", *words, hostile.id])
    with Terminal(command, environment=headgate.environment | {"TERM": "xterm"}, folder=headgate.folder) as terminal:
        assert terminal.ends() == 0
        screen = terminal.screen()
    for colour in COLOURS:
        screen = screen.replace(colour, "")
    assert not FORBIDDEN - {"\n"} & set(screen) and "\\x1b[2J" in screen


def test_what_can_not_be_is_refused_before_anything_is_connected_to(offline: Headgate) -> None:
    for words, said in (
        (["--level", "loud"], "expected one of DEBUG, INFO"),
        (["--tail", "-1"], "a whole number from 0"),
        (["--since", "soon"], "expected a time such as 2h (ago)"),
        (["--raw", "-o", "json"], "--raw prints no JSON"),
    ):
        assert said in offline("flow-run", "logs", "x", *words, code=2).err


def test_an_empty_log_says_on_stderr_why_the_run_has_written_nothing(headgate: Headgate, deployed: Any) -> None:
    waiting = deployed.run_deployment("score/nightly")
    where = f"{waiting.name} is Queued: no agent listens to default"
    answer = headgate("flow-run", "logs", waiting.id)
    assert (answer.out, answer.err) == ("", f"There are no lines; {where}\n")
    with Terminal(
        headgate.command(["flow-run", "logs", "-f", waiting.id]),
        environment=headgate.environment,
        folder=headgate.folder,
        columns=200,
    ) as terminal:
        terminal.shows(where)


@pytest.mark.parametrize("state, code", [pytest.param("COMPLETED", 0, marks=pytest.mark.slow), ("FAILED", 6)])
def test_a_run_is_watched_to_its_end(
    headgate: Headgate, deployed: Any, worker: Worker, running: list[subprocess.Popen[str]], state: str, code: int
) -> None:
    run = deployed.run_deployment("score/nightly")
    command = headgate.command(["flow-run", "watch", run.name, "-o", "jsonl"])
    pipe = subprocess.PIPE
    watcher = subprocess.Popen(command, env=headgate.environment, stdout=pipe, stderr=pipe, text=True)
    running.append(watcher)
    assert watcher.stdout is not None and json.loads(watcher.stdout.readline())["state"] == "QUEUED"
    worker.run_one(state=state, reason="because")
    out, err = watcher.communicate(timeout=20)
    assert [json.loads(one)["state"] for one in out.splitlines()] == ["PENDING", "RUNNING", state]
    assert watcher.returncode == code and (code == 0 or json.loads(err)["code"] == "not-completed")


def test_lines_are_watched_in_their_order_whatever_their_clocks_say(
    headgate: Headgate, deployed: Any, worker: Worker, store: Any
) -> None:
    run = deployed.run_deployment("score/nightly")
    claim = worker.start()
    write(store, claim, 1, line("one", second=9), line("two", second=5), line("three", second=7))
    worker.finish(claim)
    printed = [text.rpartition("\t")[2] for text in headgate("flow-run", "watch", run.id).out.splitlines()]
    assert printed == ["one", "two", "three"]


def test_a_watch_of_an_ended_run_prints_its_log_and_one_that_takes_too_long_is_exit_7(
    headgate: Headgate, deployed: Any, run: Any
) -> None:
    answer = headgate("flow-run", "watch", run.id)
    assert answer.out.startswith("2027-01-15T08:00:00Z\t1\tINFO\town\tone\n") and "COMPLETED" in answer.err
    waiting = deployed.run_deployment("score/nightly")
    late = headgate("flow-run", "watch", waiting.id, "--timeout", "0.3", "-o", "json", code=7)
    assert late.json()["id"] == waiting.id and late.error()["code"] == "timed-out"


@pytest.mark.slow
def test_a_watched_run_that_somebody_deletes_is_not_found(
    headgate: Headgate, deployed: Any, store: Any, running: list[subprocess.Popen[str]]
) -> None:
    run = deployed.run_deployment("score/nightly")
    command = headgate.command(["flow-run", "watch", run.id, "-o", "jsonl"])
    watcher = subprocess.Popen(command, env=headgate.environment, stdout=subprocess.PIPE, text=True)
    running.append(watcher)
    assert watcher.stdout is not None and watcher.stdout.readline()
    store.scripts.redis.delete(store.keys.run(run.id))
    assert wait_until(lambda: watcher.poll(), 20) == 3
