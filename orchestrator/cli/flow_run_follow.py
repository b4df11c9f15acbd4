"""`headgate flow-run logs` and `watch`: what a run wrote, and how it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.access import client
from orchestrator.cli.failures import CommandError
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Output
from orchestrator.cli.run_log import lines_there, print_line, print_raw
from orchestrator.cli.run_rows import RUN
from orchestrator.cli.selection import FORMS, PAST
from orchestrator.cli.values import Duration, OneOf, Reference, Whole

if TYPE_CHECKING:
    from orchestrator.client import Client
    from orchestrator.client.values import LogLine

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MOST_LINES = 1_000_000
YEAR = 366 * 86400.0


@click.command("logs", cls=Command)
@click.argument("run", type=RUN, metavar="RUN")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run has ended.")
@click.option(
    "--level", type=OneOf(LEVELS), metavar="LEVEL", help="This level and above; what was printed counts as INFO."
)
@click.option("--task", type=Reference(), help="Lines of this task, or of one run of it as in score-3.")
@click.option("-n", "--tail", type=Whole(0, MOST_LINES), metavar="N", help="The last so many lines.")
@click.option("--since", type=PAST, metavar="TIME", help=f"Lines from this time on: {FORMS}.")
@click.option("--raw", is_flag=True, help="What the flow wrote and nothing else; into a file or pipe byte for byte.")
def logs(output: Output, run: str, follow: bool, tail: int | None, raw: bool, **which: Any) -> None:
    """Print what a run logged and printed, in order. Gaps are marked."""
    if raw and output.form != "text":
        hint = "leave out one of --raw and -o"
        raise CommandError("--raw prints no JSON", exit_code=2, code="usage", field="--raw", hint=hint)
    only = {name: value for name, value in which.items() if value is not None}
    with client() as opened:
        (found,) = opened.flow_runs(opened.flow_run_ids([run]))
        where = f"{found.name} is {found.state_name or found.state}" + (f": {found.why}" if found.why else "")
        if follow and not found.attempt and output.form == "text":
            output.note(where)
        lines = chosen(opened, found.id, follow, tail, only)
        if output.form == "json":
            output.rows(list(lines), {}, empty="")
            return
        show = print_raw if raw else print_line
        count = 0
        for count, line in enumerate(lines, 1):  # noqa: B007
            show(output, line)
            if follow:
                output.flush()
    if not count and output.form == "text":
        output.note("There are no such lines." if only or tail is not None else f"There are no lines; {where}")


def chosen(opened: Client, run: str, follow: bool, tail: int | None, only: dict[str, Any]) -> Iterator[LogLine]:
    """The lines that were asked for."""
    after = None
    if tail is not None:
        # Where the log ends now: if nothing of it is wanted, what is followed begins there.
        last = opened.tail_logs(run, 1)
        found = opened.tail_logs(run, tail, **only)
        yield from found
        after = (found or last)[-1].position if found or last else None
    if follow:
        yield from opened.follow_logs(run, after=after, **only)
    elif tail is None:
        yield from lines_there(opened, run, **only)


@click.command("watch", cls=Command)
@click.argument("run", type=RUN, metavar="RUN")
@click.option("--timeout", type=Duration(0.1, YEAR), help="Leave after this time (exit 7); the run goes on.")
def watch(output: Output, run: str, timeout: float | None) -> None:
    """Follow a run to its end: states and log. Exit 6 unless it completes; -o jsonl prints it at each of its moves."""
    from orchestrator.cli.run_watch import follow_to_the_end, tell_moves

    with client() as opened:
        (found,) = opened.flow_runs(opened.flow_run_ids([run]))
        follow = follow_to_the_end if output.form == "text" else tell_moves
        follow(output, opened, found, timeout)
