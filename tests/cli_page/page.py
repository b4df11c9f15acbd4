"""The two pages as Markdown: every command with its help and its answers, and the questions of a night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

from tests.cli_page.command_tree import Entry, command_of
from tests.cli_page.stage import Typed
from tests.cli_page.story import Question

PAGE_WIDTH = 118
MADE = "<!-- made by `python -m tests.cli_page`: edit what that runs, not this page -->"
HEAD = f"""{MADE}
# The command line

Every command, with its help and what it printed on a real installation: three machines with agents (`gpu-1`,
`gpu-2`, `etl-1`), the scheduler on `head`, somebody at `desk`. How to get answers at night is in
[operating](operating.md).

- Names or ids everywhere; the first characters of an id are enough where they fit only one.
- Data goes to stdout, everything else to stderr. `-o json` and `-o jsonl` print every field, times as RFC 3339 in UTC;
  errors are then `{{"code", "message", "field", "hint"}}` on stderr. Without a terminal lists are tab-separated,
  whole, without colour, and nothing is asked.
- Exit codes: 0 ok · 1 error · 2 usage or invalid input · 3 not found · 4 refused by state · 5 Redis not reachable ·
  6 the watched run did not complete · 7 watching timed out · 130 interrupted.
"""
OPERATING = f"""{MADE}
# At three in the night

What people ask an installation when something is wrong, and the commands that answer: two at most. Everything below
was typed on a real installation and printed by it; [the command line](cli.md) has every command.

`headgate status` shows the whole installation on one screen, `headgate doctor` what is wrong with it.
"""


def commands_page(entries: Sequence[Entry], typed: Sequence[Typed]) -> str:
    """docs/cli.md."""
    answers: dict[tuple[str, ...], list[Typed]] = {}
    for one in typed:
        words = one.line.rpartition("headgate ")[2].split() if "|" in one.line else one.line.split()[1:]
        answers.setdefault(command_of(words, entries).words, []).append(one)
    parts = [HEAD]
    for entry in entries:
        level = "#" * min(len(entry.words) + 1, 4) if entry.words else "##"
        parts.append(f"{level} {entry.name}\n")
        parts.append(block(entry.help))
        parts += [block(transcript(one)) for one in answers.get(entry.words, ())]
    return "\n".join(parts)


def operating_page(questions: Sequence[Question], answers: Mapping[str, Sequence[Typed]]) -> str:
    """docs/operating.md."""
    parts = [OPERATING]
    for question in questions:
        parts.append(f"## {question.text}\n")
        parts += [block(transcript(one)) for one in answers[question.text]]
        parts.append(fill(question.meaning, PAGE_WIDTH) + "\n")
    return "\n".join(parts)


def transcript(typed: Typed) -> str:
    """A command and what it printed."""
    head = f"$ {typed.line}\n" + typed.screen
    return f"{head.rstrip()}\n$ # exit code {typed.code}" if typed.code else head


def block(text: str) -> str:
    """Text as it is."""
    return f"```\n{text.rstrip()}\n```\n"
