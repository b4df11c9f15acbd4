"""Lines of a run's log, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.cli.moments import rfc3339
from orchestrator.cli.output import Output, visible_line

if TYPE_CHECKING:
    from orchestrator.client import Client
    from orchestrator.client.values import LogLine

LEVELS = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"), (0, "DEBUG"))
LEVEL_COLOURS = {"CRITICAL": "\x1b[31m", "ERROR": "\x1b[31m", "WARNING": "\x1b[33m", "DEBUG": "\x1b[2m"}


def lines_there(opened: Client, run: str, after: str | None = None, **which: Any) -> Iterator[LogLine]:
    """The wanted lines after a position that are there now, fetched page by page."""
    while page := opened.read_logs(run, after=after, **which):
        yield from page
        after = page[-1].position


def print_line(output: Output, line: LogLine) -> None:
    """Prints one line: in full width for programs, with the local time of day for people."""
    if output.form != "text":
        from orchestrator.cli.output import as_json

        output.line(as_json(line))
    elif output.terminal:
        tell_day(output, line.timestamp)
        output.line(for_people(line, output.coloured))
    else:
        who = output.cell(line.task or line.logger)
        place = (rfc3339(line.timestamp), str(line.attempt), kind_of(line), who)
        # What follows a line end stands in the last column too: no text can look like a record of its own.
        output.line("\t".join((*place, visible(line.message, "\t" * len(place)))))


def print_raw(output: Output, line: LogLine) -> None:
    """Prints what the flow wrote: byte for byte, but on a terminal, which a log must not control."""
    kind = kind_of(line)
    if kind == "gap":
        output.note(visible(line.message, ""))
    elif output.terminal:
        output.line(visible(line.message, ""))
    else:
        output.raw(line.message.encode("utf-8", "surrogatepass") + b"\n")


def tell_day(output: Output, moment: datetime) -> None:
    """Says on a terminal which day it is, and how far from UTC, before the first time of day, and when that changes."""
    here = moment.astimezone().isoformat(timespec="minutes")
    day = f"{here[:10]} {here[16:]}"
    if output.terminal and day != output.day:
        output.day = day
        output.line(f"{LEVEL_COLOURS['DEBUG']}{day}\x1b[0m" if output.coloured else day)


def for_people(line: LogLine, coloured: bool) -> str:
    """`14:03:07.120 WARNING  task: message`, the source instead of a level for what was merely printed."""
    kind = kind_of(line)
    head = f"{time_of_day(line.timestamp)} {kind:<8} "
    shown = f"{head}{visible_line(line.task)}: " if line.task else head
    shown += visible(line.message, " " * len(head))
    colour = LEVEL_COLOURS.get(kind) if coloured else None
    return f"{colour}{shown}\x1b[0m" if colour else shown


def visible(message: str, indent: str) -> str:
    """A message with control characters escaped, its further lines indented."""
    return f"\n{indent}".join(visible_line(part) for part in message.rstrip("\n").split("\n"))


def kind_of(line: LogLine) -> str:
    """The level of a log record; `stdout` and `stderr` for what was printed, `gap` for what is not kept."""
    if line.source != "log":
        return str(line.source)
    return next((name for least, name in LEVELS if line.level >= least), "DEBUG")


def time_of_day(moment: datetime) -> str:
    """Local time with milliseconds."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]
