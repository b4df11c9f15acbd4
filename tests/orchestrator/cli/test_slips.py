"""What is said to people who type the words of another tool, or one word too many; nothing is connected to for it."""

from __future__ import annotations

import click
import pytest

from orchestrator.cli.failures import failure_of, sentence
from orchestrator.cli.root import headgate
from orchestrator.cli.slips import AT_TOP, OPTIONS, VERBS


def said(line: str) -> str:
    """The sentence that a command line is refused with."""
    try:
        with headgate.make_context("headgate", line.split()) as context:
            headgate.invoke(context)
    except click.ClickException as error:
        return sentence(failure_of(error))
    raise AssertionError(f"`headgate {line}` was not refused")


@pytest.mark.parametrize(
    "line, hint",
    [
        ("run train/nightly", "Did you mean `deployment run`?"),
        ("ls", "Did you mean `flow-run ls` or `work-queue ls` or `deployment ls`?"),
        ("help deployment", "Did you mean `--help`?"),
        ("flow-run show x", "Did you mean `inspect`?"),
        ("flow-run list", "Did you mean `ls`?"),
        ("config get kill_seconds", "Did you mean `view`?"),
        ("deployment start a/b", "Did you mean `run`?"),
        ("agent kill box", "Did you mean `stop`?"),
        ("work-queue limit ml 3", "Did you mean `set-concurrency-limit`?"),
        ("work-queue help", "Did you mean `--help`?"),
        ("scheduler stop", "see `headgate scheduler --help`"),
        ("-o json work-queue ls", "it stands after the command, as in `headgate work-queue ls -o json`"),
        ("flow-run ls --json", "Did you mean `--output json`?"),
        ("flow-run ls --status FAILED", "Did you mean `--state`?"),
        ("flow-run ls -n 5", "Did you mean `--limit`?"),
        ("flow-run cancel --all", "see `headgate flow-run cancel --help`"),
        ("deployment delete a/b -f", "Did you mean `--yes`?"),
        ("deployment run a/b --rows 3", "a parameter of the flow is given as `-p rows=…`"),
        ("deployment run a/b --date x", "Did you mean `--at`? A parameter of the flow is given as `-p date=…`"),
        ("deployment run a/b date=x", "a parameter of the flow is given as `-p date=x`"),
        ("deployment run a/b date", "see `headgate deployment run --help`"),
        ("agent start ml", "a work queue is named as in `-q ml`"),
        ("agent start -q ml,gpu", "got 'ml,gpu'; give the option once for each"),
        ("flow-run ls --state failed,crashed", "got 'failed,crashed'; give the option once for each"),
        ("flow-run ls --state", "Option '--state' requires an argument; see `headgate flow-run ls --help`"),
        ("work-queue set-concurrency-limit ml -1", "LIMIT: expected a whole number from 1 to 10000, got '-1'"),
        ("work-queue set-concurrency-limit ml 3 --fro 2h", "Did you mean `--for`?"),
    ],
)
def test_a_slip_is_answered_with_what_is_meant_here(line: str, hint: str) -> None:
    assert said(line).startswith("Error: ") and said(line).endswith(hint)


def test_only_commands_and_options_that_there_are_are_named() -> None:
    root = click.Context(headgate)
    groups = {name: headgate.get_command(root, name) for name in headgate.list_commands(root)}
    there = {name: command.commands for name, command in groups.items() if isinstance(command, click.Group)}
    for name, *verb in (words.split() for meant in AT_TOP.values() for words in meant):
        assert name == "--help" or (name in groups and (not verb or verb[0].startswith("-") or verb[0] in there[name]))
    verbs = {verb for commands in there.values() for verb in commands} | {"--help"}
    assert {words.split()[0] for meant in VERBS.values() for words in meant} <= verbs
    every = [*groups.values(), *(command for commands in there.values() for command in commands.values())]
    options = {
        option for command in every for parameter in (command.params if command else ()) for option in parameter.opts
    }
    assert {words.split()[0] for meant in OPTIONS.values() for words in meant} - {"--version"} <= options
