"""The commands there are, read from the code: whatever is added to it appears on the page by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import click

from orchestrator.cli.root import headgate

WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One command or group: its words after `headgate`, what it does, its help as printed, and its option names."""

    words: tuple[str, ...]
    summary: str
    help: str
    options: tuple[str, ...]
    is_group: bool

    @property
    def name(self) -> str:
        """The words as they are typed."""
        return " ".join(("headgate", *self.words))


@cache
def entries() -> tuple[Entry, ...]:
    """Every command in the order of the tree, each group before its commands."""
    return tuple(walk(headgate, (), None))


def walk(command: click.Command, words: tuple[str, ...], parent: click.Context | None) -> Iterator[Entry]:
    """A command and all below it."""
    # Not the width of whoever makes the page, and never their environment.
    settings = {**command.context_settings, "terminal_width": WIDTH}
    context = click.Context(command, info_name=words[-1] if words else "headgate", parent=parent, **settings)
    yield Entry(
        words=words,
        summary=command.get_short_help_str(limit=WIDTH),
        help=command.get_help(context),
        options=tuple(name for option in command.params if isinstance(option, click.Option) for name in option.opts),
        is_group=isinstance(command, click.Group),
    )
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from walk(child, (*words, name), context)


def command_of(line: Sequence[str], known: Sequence[Entry]) -> Entry:
    """The command that a typed line runs: the longest that begins it."""
    fitting = [one for one in known if one.words and tuple(line[: len(one.words)]) == one.words]
    return max(fitting, key=lambda one: len(one.words))
