"""The options by which commands choose runs: `--queue`, `--deployment`, `--state`, `--since`, `--except` and so on.

A command declared with `selection` gets them as one argument, `which`: the client's keywords, those that were given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import click

from orchestrator.cli.failures import CommandError
from orchestrator.cli.moments import last_clock_time, moment_of, seconds_of
from orchestrator.cli.values import QUEUE, OneOf, Reference
from orchestrator.errors import shown

FORMS = "2h (ago), 02:00 (the last one here) or 2026-03-01T02:00:00Z"
MADE = "Made at or after"
ENDED = "Ended at or after"
EITHER = "Made (with ended states only: ended) at or after"
LONGEST_AGO = 100 * 366 * 86400.0
Keywords = dict[str, Any]


class PastMoment(click.ParamType[datetime]):
    """A point in time that has passed: `2h` ago, `02:00` (the last one here), or a time as RFC 3339 writes it."""

    name = "time"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> datetime:
        """Reads the text; without an offset it is this machine's local time."""
        if isinstance(value, datetime):
            return value
        now = datetime.now(UTC)
        moment = past_moment(value, now)
        if moment is None:
            self.fail(f"expected a time such as {FORMS}, got {shown(value)}", parameter, context)
        if moment > now:
            self.fail(f"expected a time that has passed, got {shown(value)}", parameter, context)
        return moment


def past_moment(text: str, now: datetime) -> datetime | None:
    """The time that a text means, seen from `now`; None when it means none."""
    ago = seconds_of(text)
    if ago is not None:
        return now - timedelta(seconds=ago) if ago <= LONGEST_AGO else None
    return last_clock_time(text, now.astimezone()) or moment_of(text, now)


PAST = PastMoment()


def selection(states: Sequence[str], since: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares the options on a command; `states` are those it allows, `since` says what `--since` looks at."""
    until = since.replace("at or after", "before")
    options = [
        click.option("-q", "--queue", type=QUEUE, help="On this work queue."),
        click.option("-d", "--deployment", type=Reference(), help="Of this deployment (FLOW/NAME or id)."),
        click.option(
            *("-s", "--state", "states"),
            multiple=True,
            type=OneOf(states),
            metavar="STATE",
            help=f"In one of these states: {', '.join(states)}.",
        ),
        click.option("--flow", type=Reference(), metavar="FLOW", help="Of any deployment of this flow."),
        click.option("--tag", type=Reference(), metavar="TAG", help="With this tag."),
        click.option("--since", type=PAST, metavar="TIME", help=f"{since} this time: {FORMS}."),
        click.option("--until", type=PAST, metavar="TIME", help=f"{until} this time."),
        click.option(
            "--except",
            "left_out",
            multiple=True,
            type=Reference(),
            metavar="RUN",
            help="Not this run; may be repeated.",
        ),
    ]

    def declare(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_selection(**given: Any) -> Any:
            return command(which=keywords(given), **given)

        for option in reversed(options):
            option(with_selection)
        return with_selection

    return declare


def keywords(given: dict[str, Any]) -> Keywords:
    """Takes the options out of a command's arguments, and answers those that were given as the client's keywords."""
    names = {
        "queue": "work_queue",
        "deployment": "deployment",
        "states": "states",
        "flow": "flow",
        "tag": "tag",
        "since": "since",
        "until": "until",
        "left_out": "excluding",
    }
    found = {name: given.pop(option) for option, name in names.items()}
    if found["since"] and found["until"] and found["since"] >= found["until"]:
        text = "expected --since to be earlier than --until: no time lies between them"
        raise CommandError(text, exit_code=2, code="invalid", field="--since")
    return {name: value for name, value in found.items() if value}


def selects(which: Keywords) -> bool:
    """Whether anything was chosen: leaving something out chooses nothing."""
    return any(name != "excluding" for name in which)
