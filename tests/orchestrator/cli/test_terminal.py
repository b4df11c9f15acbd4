"""What a terminal, or the lack of one, does to commands: colours, width, locale, readers that leave, Ctrl-C."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import redis as redis_py

from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import spec, start_one
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

NAME = "naïve 日本 \N{ROCKET}"


def drawn(headgate: Headgate, *words: str, columns: int = 100) -> str:
    """What a command that ends well draws on a terminal."""
    with Terminal(
        headgate.command(words), environment=headgate.environment, folder=headgate.folder, columns=columns
    ) as terminal:
        assert terminal.ends() == 0, terminal.screen()
        return terminal.screen()


def test_a_terminal_of_twenty_columns_gets_whole_lines_and_whole_escapes(headgate: Headgate, opened: Any) -> None:
    opened.create_work_queue("etl", description=NAME)
    headgate = headgate.with_settings(TERM="xterm", NO_COLOR="")
    for words in (["work-queue", "ls"], ["work-queue", "inspect", "etl"], ["config", "view"], ["--help"]):
        screen = drawn(headgate, *words, columns=20)
        assert "Traceback" not in screen
        for line in screen.splitlines():
            assert line.count("\x1b[") == 2 * line.count("\x1b[0m"), line


def test_the_runs_of_an_agent_keep_what_matters_in_a_narrow_terminal(
    headgate: Headgate, opened: Any, store: Any
) -> None:
    opened.create_from_spec(spec())
    run = start_one(opened, store)
    screen = drawn(
        headgate.with_settings(NO_COLOR="1"), "agent", "inspect", str(opened.get_flow_run(run.id).agent), columns=90
    )
    assert f"{run.id[:8]}  {run.name}  score/nightly  Running" in screen and "…" not in screen


@pytest.mark.slow
def test_without_colour_no_escape_is_written(headgate: Headgate) -> None:
    coloured = drawn(headgate.with_settings(TERM="xterm", NO_COLOR=""), "work-queue", "ls")
    assert "\x1b[1mID" in coloured
    for setting in ({"NO_COLOR": "1", "TERM": "xterm"}, {"NO_COLOR": "", "TERM": "dumb"}):
        plain = drawn(headgate.with_settings(**setting), "work-queue", "ls")
        assert plain == re.sub(r"\x1b\[\d*m", "", coloured)


def test_a_locale_without_letters_of_the_world_shows_them_as_escapes(headgate: Headgate, opened: Any) -> None:
    opened.create_work_queue("etl", description=NAME)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    answer = headgate("work-queue", "inspect", "etl", settings=ascii_only)
    assert r"na\xefve \u65e5\u672c \U0001f680" in answer.out
    assert NAME in headgate("work-queue", "inspect", "etl").out
    refused = headgate("work-queue", "inspect", NAME, code=2, settings=ascii_only)
    assert refused.err.isascii() and refused.err.startswith("Error: NAME: expected a name")


def test_words_that_are_no_text_are_refused_and_escaped(offline: Headgate) -> None:
    for words in ([b"work-queue", b"inspect", b"\xff\xfe"], [b"\xff"], [b"config", b"set", b"prefix", b"{\xff}"]):
        done = subprocess.run(
            [*(word.encode() for word in offline.command([])), *words],
            env=offline.environment,
            cwd=offline.folder,
            capture_output=True,
        )
        assert done.returncode == 2 and b"Traceback" not in done.stderr and b"\\udcff" in done.stderr, done


def test_a_reader_that_leaves_is_no_error(headgate: Headgate) -> None:
    for words in (["work-queue", "ls"], ["config", "view", "-o", "json"], ["completion", "bash"]):
        reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
        assert reader.stdin is not None
        reader.wait(10)
        done = subprocess.run(
            headgate.command(words), env=headgate.environment, stdout=reader.stdin, stderr=subprocess.PIPE
        )
        reader.stdin.close()
        assert (done.returncode, b"Error" in done.stderr, b"Traceback" in done.stderr) == (0, False, False), done


def test_closed_streams_and_a_full_one(headgate: Headgate) -> None:
    for closing, code in ((">&- 2>&- <&-", 0), (">/dev/full", 1)):
        shell = ["sh", "-c", f'"$0" "$@" {closing}', *headgate.command(["work-queue", "ls"])]
        done = subprocess.run(shell, env=headgate.environment, capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done
    assert "No space left on device" in done.stderr


def test_ctrl_c_and_another_one_end_a_command_that_waits_without_a_word(
    headgate: Headgate, opened: Any, redis: redis_py.Redis
) -> None:
    headgate.write("f.py", "from orchestrator import flow\n@flow\ndef f(): ...\n")
    headgate.write(
        "d.py", "from f import f\nfrom orchestrator.deployments import DeploymentSpec\nDeploymentSpec(f, 'd')\n"
    )
    headgate("deployment", "create", "d.py")
    run = opened.run_deployment("f/d")
    for words in (["flow-run", "logs", "-f", run.id], ["deployment", "run", "f/d", "--watch"]):
        with Terminal(headgate.command(words), environment=headgate.environment, folder=headgate.folder) as terminal:
            wait_until(lambda: any(client["name"] == "headgate" for client in redis.client_list()), 20)
            terminal.press("\x03\x03")
            assert terminal.ends() == 130
            assert "Traceback" not in terminal.screen() and "Error" not in terminal.screen()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at what the interpreter imports on Linux")
def test_a_tab_imports_no_client_of_redis(headgate: Headgate) -> None:
    code = (
        "import sys\nfrom orchestrator.cli import main\ntry:\n    main(['completion', 'bash', '--line', sys.argv[1]])\n"
        "except SystemExit:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    for line in ("headgate ", "headgate work-queue inspect ", "headgate flow-run inspect ", "headgate agent stop "):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, line], env=headgate.environment, capture_output=True, text=True
        )
        heavy = {"redis", "rq", "asyncio", "structlog", "rich", "croniter", "psutil", "msgpack", "ssl", "tomllib"}
        assert done.stdout.startswith("plain\n") and not heavy & set(done.stderr.split()), done
