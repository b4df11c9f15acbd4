"""The pages name every command and option there is, and the story that makes them can be told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli_page.__main__ import write
from tests.cli_page.command_tree import Entry, command_of, entries
from tests.cli_page.stage import in_a_namespace
from tests.cli_page.story import ACTS
from tests.rules.source_files import ROOT

AGAIN = "run `python -m tests.cli_page`"
HEADING = re.compile(r"^#+ (headgate[^\n]*)\n\n```\n(.*?)```", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"^  (?:(-\w), )?(--[\w-]+)", re.MULTILINE)
SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def on_page() -> dict[str, set[str]]:
    """The commands on the page, each with the options that its help there names."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    return {name: {short or long for short, long in OPTION.findall(text)} for name, text in HEADING.findall(page)}


def in_code(entry: Entry) -> set[str]:
    """The options of a command as its help names them: the first name of each."""
    return {short or long for short, long in OPTION.findall(entry.help)}


def test_the_page_has_every_command_with_every_option() -> None:
    page, code = on_page(), {entry.name: in_code(entry) for entry in entries()}
    assert list(page) == list(code), AGAIN
    assert {name: page[name] ^ options for name, options in code.items() if page[name] != options} == {}, AGAIN


def test_every_command_is_typed_in_the_story() -> None:
    known = entries()
    steps = [step for act in ACTS for step in (*act.steps, *(act.question.steps if act.question else ()))]
    typed = {command_of(step.line.split(), known).words for step in steps}
    assert {entry.words for entry in known if not entry.is_group} == typed


def test_every_question_of_the_night_takes_at_most_two_commands() -> None:
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    typed = {title: len(re.findall(r"^\$ headgate ", text, re.MULTILINE)) for title, text in SECTION.findall(page)}
    assert list(typed) == [act.question.text for act in ACTS if act.question], AGAIN
    assert all(1 <= count <= 2 for count in typed.values()), typed


@pytest.mark.slow
def test_the_story_can_be_told_on_a_real_installation(tmp_path: Path) -> None:
    if not in_a_namespace():
        pytest.skip("host names of its own need root")
    write(tmp_path)
    told = (tmp_path / "operating.md").read_text(encoding="utf-8")
    for answer in ("gpu-1", "KeyError: 'bonn'", "Retried 2 flow runs", "draining"):
        assert answer in told
