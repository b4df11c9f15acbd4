"""Values on the command line, checked before anything is connected to: names, limits, durations, times, parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.moments import moment_of, seconds_of, spoken
from orchestrator.errors import shown

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}", re.ASCII)
NAME_RULE = "1 to 128 of a-z 0-9 . _ -, the first a letter or digit"
LARGEST_LIMIT = 10_000


def once_each(value: str, parameter: click.Parameter | None) -> str:
    """What to say of several values with commas between them where an option may come often."""
    several = "," in value and isinstance(parameter, click.Option) and parameter.multiple
    return "; give the option once for each" if several else ""


class Named(click.ParamType[str]):
    """What a Tab completes to the names of things that there are."""

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """What there is of the kind that the parameter names."""
        from orchestrator.cli.names import complete

        return complete(context, parameter, incomplete)


class Name(Named):
    """A name as Headgate accepts them (a work queue's, an agent's)."""

    name = "name"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """Refuses anything that could not be a name."""
        if not NAME.fullmatch(value):
            self.fail(
                f"expected a name ({NAME_RULE}), got {shown(value)}{once_each(value, parameter)}", parameter, context
            )
        return str(value)


class Label(click.ParamType[str]):
    """A label of agents, which runs may require."""

    name = "label"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """Refuses anything that could not be a label."""
        from queues.errors import InvalidLabel
        from queues.keys import checked_labels

        try:
            return checked_labels([str(value)])[0]
        except InvalidLabel as refusal:
            self.fail(str(refusal), parameter, context)


class QueuePrefix(click.ParamType[str]):
    """The beginning of the names of work queues: `ml-*`, or `ml-`; `*` is all of them."""

    name = "prefix"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """Answers what stands before the star."""
        prefix = str(value).removesuffix("*")
        if not re.fullmatch(r"[a-z0-9._-]{0,128}", prefix) or not value:
            self.fail(
                f"expected the beginning of a name and a star, as in 'ml-*', got {shown(value)}", parameter, context
            )
        return prefix


class Reference(Named):
    """Something a person calls a run or a deployment by: a name, an id, or the first characters of an id."""

    name = "name or id"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """Refuses what no name and no id can be."""
        if not 0 < len(value) <= 300 or not value.isprintable() or value != value.strip():
            self.fail(f"expected a name, an id or the start of an id, got {shown(value)}", parameter, context)
        return str(value)


class Whole(click.ParamType[int]):
    """A whole number in a range, in plain digits; `instead` says what to use where 0 was meant."""

    name = "number"

    def __init__(self, low: int, high: int, instead: str = "") -> None:
        self.low, self.high, self.instead = low, high, instead

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Takes ASCII digits only: `1e3` and digits of other scripts are refused."""
        text = str(value)
        if re.fullmatch(r"[0-9]{1,18}", text) and self.low <= int(text) <= self.high:
            return int(text)
        hint = f"; {self.instead}" if self.instead and re.fullmatch(r"0+", text) else ""
        allowed = f"a whole number from {self.low} to {self.high}"
        raise click.BadParameter(f"expected {allowed}, got {shown(text)}{hint}", context, parameter)


class Duration(click.ParamType[float]):
    """A length of time, in seconds: `90`, `90s`, `5m`, `1h30m`, `2d`."""

    name = "duration"

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        """Reads the text; refuses what is out of range."""
        seconds = value if isinstance(value, int | float) else seconds_of(value)
        if seconds is None or not math.isfinite(seconds) or not self.low <= seconds <= self.high:
            allowed = f"from {self.low:g} s to {spoken(self.high)}, as in 90, 90s, 5m, 1h30m, 2d"
            self.fail(f"expected a duration {allowed}, got {shown(str(value))}", parameter, context)
        return float(seconds)


class Moment(click.ParamType[datetime]):
    """A point in time: `2026-03-01T09:00:00+01:00`, `2026-03-01 09:00` (here), `17:30` (the next one here)."""

    name = "time"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> datetime:
        """Reads the text; without an offset it is this machine's local time."""
        moment = value if isinstance(value, datetime) else moment_of(value, datetime.now(UTC))
        if moment is None:
            forms = "2026-03-01T09:00:00Z, 2026-03-01T09:00:00+01:00, '2026-03-01 09:00' or 17:30"
            self.fail(f"expected a time such as {forms}, got {shown(value)}", parameter, context)
        return moment


class OneOf(click.ParamType[str]):
    """One of a few words, in any case."""

    name = "word"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """Answers the word as it is written in the list."""
        if value.upper() not in self.words:
            found = f"{shown(value)}{once_each(value, parameter)}"
            self.fail(f"expected one of {', '.join(self.words)}, got {found}", parameter, context)
        return str(value.upper())

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """The words that begin so, in any case."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self.words if word.startswith(incomplete.upper())]


QUEUE = Name()
LABEL = Label()
LIMIT = Whole(1, LARGEST_LIMIT, "to let nothing start use `headgate work-queue pause NAME`")
ROWS = Whole(1, LARGEST_LIMIT)
