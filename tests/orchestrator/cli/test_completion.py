"""Completion: what a Tab answers, in a real bash too; nothing at all when anything is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from orchestrator.cli.completion import SHELLS, answer
from orchestrator.cli.frame import Group
from orchestrator.cli.names import STORED, kind_of
from orchestrator.cli.root import PARTS
from orchestrator.cli.root import headgate as root
from orchestrator.cli.values import Named
from orchestrator.keys import StoreKeys
from orchestrator.runs import run_name
from tests.orchestrator.cli.conftest import Headgate
from tests.support.terminal import Terminal

RUN = "0f6cb5a2-7a0e-4d54-9d0f-33c5f9f5ad10"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, redis_url: str, opened: Any, redis: Any) -> None:
    """This process's settings name the Redis of the test, which knows a thing of every kind."""
    for name, value in {"HOME": tmp_path, "REDIS_URL": redis_url, "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"HEADGATE_{name}", str(value))
    keys = StoreKeys()
    for queue in ("etl", "ml"):
        opened.create_work_queue(queue)
    redis.hset(keys.deployments, "greet/often", "x")
    redis.hset(keys.deployments, "long name/x", "y")
    redis.hset(keys.limits, "tag:gpu", 1)
    redis.zadd(keys.agents, {"vm-1": 1})
    redis.zadd(keys.state("RUNNING"), {RUN: 1})


def words(line: str, shell: str = "fish") -> list[str]:
    kind, *rest = answer(shell, line)
    assert kind == "plain"
    return [text.partition("\t")[0] for text in rest]


def test_every_kind_of_thing_is_completed(here: None) -> None:
    for line, names in {
        "headgate work-q": ["work-queue"],
        "headgate work-queue pre": ["preview"],
        "headgate work-queue preview --ho": ["--hours"],
        "headgate work-queue inspect ": ["default", "etl", "ml"],
        "headgate agent start -q e": ["etl"],
        "headgate agent start --queue=e": ["--queue=etl"],
        "headgate agent inspect ": ["vm-1"],
        "headgate deployment inspect g": ["greet/often"],
        "headgate flow-run ls -d l": ["long name/x"],
        "headgate flow-run ls --state ru": ["RUNNING"],
        "headgate flow-run inspect ": [run_name(RUN)],
        "headgate flow-run inspect 0f": [RUN],
        "headgate flow-run ls -o js": ["json", "jsonl"],
        "headgate --profile ": ["default"],
        "headgate profile inspect d": ["default"],
        "headgate config set redis_": ["redis_url", "redis_password_file"],
        "HEADGATE_PROFILE=x headgate agent inspect ": ["vm-1"],
    }.items():
        assert sorted(words(line)) == sorted(names), line


def test_a_command_is_told_with_its_whole_first_sentence(here: None) -> None:
    told = answer("zsh", "headgate concurrency-limit cr")
    assert told == ["plain", "create\tSet the limit of a tag, anew or over the one before."]


def test_what_is_to_be_new_is_not_completed(here: None) -> None:
    for line in ("headgate work-queue create ", "headgate agent start -n ", "headgate profile create "):
        assert words(line) == []


def test_a_file_is_left_to_the_shell(here: None) -> None:
    assert answer("bash", "headgate deployment create ") == ["file"]


def test_bash_gets_what_follows_its_word_breaks_and_others_whole_words(here: None) -> None:
    assert words("headgate flow-run ls --state=RU", "bash") == ["RUNNING"]
    assert words("headgate flow-run ls --state=RU", "zsh") == ["--state=RUNNING"]


def leaves(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """Every command below this one, in a context of its own."""
    if isinstance(command, Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, click.Context(found, info_name=name, parent=context))
    else:
        yield context


NEW_NAMES = {"agent start name", "profile rename to", "work-queue create name", "profile create name"}
NOT_KNOWN = {"flow-run logs task"}  # what tasks there are only the run itself knows


def test_every_parameter_that_takes_a_name_says_of_what() -> None:
    """Or it is on the list of those that are to be new."""
    unknown = {
        f"{context.parent.info_name} {context.info_name} {parameter.name}"
        for context in leaves(root, click.Context(root, info_name="headgate"))
        for parameter in context.command.params
        if context.parent and isinstance(parameter.type, Named) and kind_of(context, parameter) is None
    }
    assert unknown <= NEW_NAMES | NOT_KNOWN, "give them a kind in orchestrator/cli/names.py, or name them here"


@pytest.mark.parametrize(
    "settings",
    [
        {"HEADGATE_REDIS_URL": "redis://127.0.0.1:1"},
        {"HEADGATE_REDIS_URL": "nonsense"},
        {"HEADGATE_PROFILE": "gone"},
        {"HEADGATE_CONFIG_FILE": "/no/such"},
        {"HEADGATE_HOME": "/dev/null"},
        {},
    ],
)
def test_whatever_is_wrong_there_are_no_names_and_no_embedded_redis_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, str]
) -> None:
    for name, value in ({"HEADGATE_HOME": str(tmp_path), "HEADGATE_CONFIG_FILE": "/dev/null"} | settings).items():
        monkeypatch.setenv(name, value)
    assert [words(f"headgate {line} ") for line in ("work-queue inspect", "flow-run cancel")] == [[], []]
    assert list(tmp_path.iterdir()) == []


def test_the_command_answers_or_says_nothing(headgate: Headgate, offline: Headgate, opened: Any) -> None:
    asked = ("completion", "bash", "--line")
    assert headgate(*asked, "headgate work-queue inspect d").out == "plain\ndefault\t\n"
    for line in ("headgate work-queue inspect ", "headgate zzz ", "headgate --profile x work-queue inspect ", "'", ""):
        answered = offline(*asked, line)
        assert answered.err == "" and "default" not in answered.out
    assert offline("completion", "tcsh", code=2).err.startswith("Error: SHELL: 'tcsh' is not one of")


def test_scripts_are_read_by_their_shells(offline: Headgate) -> None:
    for shell in SHELLS:
        script = offline("completion", shell).out
        assert "headgate completion" in script.splitlines()[0] + script.splitlines()[1]
        if path := shutil.which(shell):
            subprocess.run([path, "-n"], input=script, text=True, check=True)


def test_a_tab_in_a_real_bash(headgate: Headgate, opened: Any, redis: Any) -> None:
    if not (bash := shutil.which("bash")):
        pytest.skip("there is no bash")
    redis.hset(StoreKeys().deployments, "long name/x", "y")
    program = headgate.folder / "headgate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m orchestrator "$@"\n')
    program.chmod(0o755)
    environment = headgate.environment | {"PATH": f"{headgate.folder}:/usr/bin:/bin", "PS1": "> ", "TERM": "dumb"}
    command = [bash, "--norc", "--noprofile", "-i"]
    with Terminal(command, environment=environment, folder=headgate.folder) as terminal:
        terminal.press("source <(headgate completion bash); echo re''ady\n")
        terminal.shows("\nready\n> ")
        for typed, completed in {
            "headgate work-queue ins\tde\t": "headgate work-queue inspect default ",
            "headgate deployment run lo\t": "headgate deployment run long\\ name/x ",
            'headgate deployment run "lo\t': 'headgate deployment run "long name/x" ',
            "headgate flow-run ls --state=COM\t": "--state=COMPLETED ",
        }.items():
            terminal.press(f"{typed}#\x15")
            terminal.shows(completed)


def test_all_kinds_are_reachable() -> None:
    assert {"queues", "agents", "deployments", "flows", "tags", "runs"} == set(STORED)
    assert "completion" in PARTS
