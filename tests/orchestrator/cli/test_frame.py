"""The command as a whole: help, unknown words, forms of errors, closed pipes, interrupts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orchestrator.cli.root import PARTS
from tests.orchestrator.cli.conftest import Headgate

HEAVY = (
    "redis",
    "rq",
    "structlog",
    "rich",
    "croniter",
    "dateutil",
    "pydantic",
    "fastapi",
    "msgpack",
    "psutil",
    "json",
    "asyncio",
)
LOADED_BY_HELP = """
import sys
from orchestrator.cli import main
try:
    main(["--help"])
except SystemExit as end:
    print("code", end.code, "loaded", *sys.modules)
"""

ENDS = """
import atexit, sys, threading
from orchestrator.cli.main import main
atexit.register(print, "taken apart")
if "thread" in sys.argv:
    threading.Thread(target=lambda: (threading.main_thread().join(), print("ended", flush=True))).start()
sys.argv[1:] = ["--version"]
main()
"""


@pytest.mark.parametrize("word, after", [("none", []), ("thread", ["ended", "taken apart"])])
def test_a_command_ends_at_once_unless_a_thread_goes_on(offline: Headgate, word: str, after: list[str]) -> None:
    command = [sys.executable, "-P", "-c", ENDS, word]
    done = subprocess.run(command, env=offline.environment, capture_output=True, text=True, check=True)
    version, *rest = done.stdout.splitlines()
    assert version.startswith("headgate ") and rest == after


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", LOADED_BY_HELP], capture_output=True, text=True, check=True)
    words = done.stdout.splitlines()[-1].split()
    assert words[:2] == ["code", "0"]
    assert not set(HEAVY) & set(words)


def test_help_names_every_group_and_every_group_has_help(offline: Headgate) -> None:
    shown = offline("--help").out
    for name in PARTS:
        assert f"\n  {name} " in shown
        assert offline(name, "--help").out.startswith(f"Usage: headgate {name}")


@pytest.mark.parametrize(
    "words, said",
    [
        (["deploymnet"], "Error: unknown command 'deploymnet'. Did you mean `deployment`?"),
        (["work-queue", "lst"], "Error: unknown command 'lst'. Did you mean `ls`?"),
        (
            ["flow-run", "ls", "--limti", "3"],
            "Error: unknown option '--limti' of `headgate flow-run ls`. Did you mean `--limit`?",
        ),
        (["zzz"], "Error: unknown command 'zzz'; see `headgate --help`"),
        (
            ["work-queue", "create"],
            "Error: `headgate work-queue create` needs NAME; see `headgate work-queue create --help`",
        ),
        (["work-queue", "ls", "-o", "xml"], "Error: --output: 'xml' is not one of 'text', 'json', 'jsonl'"),
        (
            ["work-queue", "ls", "more"],
            "Error: Got unexpected extra argument (more); see `headgate work-queue ls --help`",
        ),
        (["flow-run", "ls", "--state", "DONE"], "Error: --state: expected one of SCHEDULED, QUEUED"),
    ],
)
def test_a_wrong_word_gets_the_nearest_right_one(offline: Headgate, words: list[str], said: str) -> None:
    answer = offline(*words, code=2)
    assert answer.out == ""
    assert answer.err.startswith(said)
    assert answer.err.count("\n") == 1


def test_a_group_alone_prints_its_help(offline: Headgate) -> None:
    answer = offline("work-queue", code=2)
    assert answer.err.startswith("Usage: headgate work-queue") and "Error" not in answer.err


@pytest.mark.parametrize("form", [["-o", "json"], ["-ojson"], ["--output=jsonl"], ["--output", "json"]])
def test_errors_are_json_where_output_is(offline: Headgate, form: list[str]) -> None:
    assert offline("work-queue", "create", "Q", *form, code=2).error() == {
        "code": "invalid",
        "message": "expected a name (1 to 128 of a-z 0-9 . _ -, the first a letter or digit), got 'Q'",
        "field": "NAME",
        "hint": None,
    }
    assert offline("deploymnet", *form, code=2).error()["hint"] == "Did you mean `deployment`?"


def test_help_into_a_closed_pipe_is_no_error(offline: Headgate) -> None:
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    assert reader.stdin is not None
    reader.wait(10)
    done = subprocess.run(
        offline.command(["--help"]),
        env=offline.environment,
        stdout=reader.stdin,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    reader.stdin.close()
    assert (done.returncode, done.stderr) == (0, "")


NAMES = ["", " ", "a b", "../x", "a{b}c", "*", "x" * 129, "Q", "🙂", "-x", ".x", "a\nb", "ａ"]


@pytest.mark.parametrize("name", NAMES)
def test_what_can_not_be_a_queue_name_is_refused_without_redis(offline: Headgate, name: str) -> None:
    for words in (["work-queue", "create"], ["work-queue", "inspect"], ["agent", "start", "-q"]):
        answer = offline(*words, *(["--"] if name == "-x" and "-q" not in words else []), name, code=2)
        assert "1 to 128 of a-z 0-9 . _ -" in answer.err


@pytest.mark.parametrize("limit", ["0", "-1", "1e3", "٣", "999999999999", "10001", "", "1.5", " 1", "0x1"])
def test_what_can_not_be_a_limit_is_refused_without_redis(offline: Headgate, limit: str) -> None:
    for words in (["work-queue", "create", "ml", "--limit"], ["work-queue", "set-concurrency-limit", "ml"]):
        answer = offline(*words, limit, code=2)
        assert "from 1 to 10000" in answer.err
        assert ("`headgate work-queue pause NAME`" in answer.err) == (limit == "0")


def test_debug_shows_the_traceback_without_the_password(offline: Headgate) -> None:
    settings = {"HEADGATE_REDIS_URL": "redis://ann:s3cret@127.0.0.1:1/0"}
    done = subprocess.run(
        offline.command(["work-queue", "ls", "--debug"]),
        env=offline.environment | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5 and "Traceback" in done.stderr and "s3cret" not in done.stderr
