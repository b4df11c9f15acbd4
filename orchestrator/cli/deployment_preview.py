"""`headgate deployment preview`: what a deployment will run, with the ids and names the runs have or will get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.access import client
from orchestrator.cli.deployment_run import misused, say_what_is_missing
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Columns, Output, value_of
from orchestrator.cli.values import Reference, Whole
from orchestrator.errors import command

if TYPE_CHECKING:
    from orchestrator.client.deployment_values import DeploymentDetail

HOURS_OF_A_YEAR = 8784
MOST_RUNS = 5_000
COMING: Columns = {
    "Scheduled Start Time": "scheduled_start_time",
    "Run ID": "run_id",
    "Name": "name",
    "Schedule": "schedule",
    "On Its Clock": "local_start_time",
    "State": lambda run: "Late" if run.late else run.state and run.state.capitalize(),
    "Why": "why",
    "Note": "note",
}
SOMETIMES_EMPTY = ("State", "Why", "Note")
LESS_NEEDED = ("Schedule", "On Its Clock", "State")


@click.command("preview", cls=Command)
@click.argument("name", type=Reference(), metavar="FLOW/NAME")
@click.option("--hours", type=Whole(1, HOURS_OF_A_YEAR), help="All within so many hours.")
@click.option("-n", "--limit", type=Whole(1, MOST_RUNS), help="The next so many; ten when neither is given.")
def preview(output: Output, name: str, hours: int | None, limit: int | None) -> None:
    """Show what a deployment will run next. Runs that wait, then those to come: their ids and names are final."""
    if hours is not None and limit is not None:
        raise misused("--hours", "--limit says already how many", "leave out one of them")
    with client() as opened:
        coming = opened.preview_deployment(name, hours=hours, limit=limit)
        found = opened.get_deployment(name)
        columns = COMING
        if output.terminal:
            empty = {title for title in SOMETIMES_EMPTY if not any(value_of(run, COMING[title]) for run in coming)}
            columns = {title: source for title, source in COMING.items() if title not in empty}
            columns["On Its Clock"] = lambda run: run.local_start_time and run.local_start_time.replace("T", " ")
        within = f" in the next {hours} hours" if hours else ""
        reason = why_none_come(found)
        nothing = reason or f"Nothing of {found.name} waits, and its schedules start nothing{within}."
        output.rows(coming, columns, empty=nothing, optional=[title for title in LESS_NEEDED if title in columns])
        if reason and (coming or output.form != "text"):
            output.note(reason)
        if coming:
            say_what_is_missing(output, opened, found.work_queue)
    if hours and len(coming) == MOST_RUNS:
        output.note(f"These are the first {MOST_RUNS:,}; a smaller --hours shows all that are due by then.")


def why_none_come(found: DeploymentDetail) -> str | None:
    """Why the schedules of a deployment make no runs, and what changes it; None when they do."""
    if not found.schedules:
        return f"{found.name} has no schedule: it runs when asked to, `{command('deployment', 'run', found.name)}`"
    if found.paused:
        resume = command("deployment", "resume", found.name)
        return f"{found.name} is paused: its schedules make no runs until `{resume}`"
    return None
