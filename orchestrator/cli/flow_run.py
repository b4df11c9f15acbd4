"""`headgate flow-run`: list, look into, follow, cancel, retry and explain runs."""

import click

from orchestrator.cli.access import client
from orchestrator.cli.explain import print_explanation
from orchestrator.cli.frame import group
from orchestrator.cli.output import Columns, Output
from orchestrator.cli.run_log import lines_there, print_line
from orchestrator.cli.values import QUEUE, ROWS, Duration, OneOf, Reference
from queues.states import State

STATES = tuple(State)
RUNS: Columns = {
    "ID": "id",
    "Name": "name",
    "Deployment": "deployment",
    "State": lambda run: run.state_name or run.state,
    "Work Queue": "work_queue",
    "Scheduled Start Time": "scheduled_start_time",
    "Start Time": "start_time",
    "End Time": "end_time",
    "Attempt": "attempt",
    "Agent": "agent",
    "Why": "why",
}
LESS_NEEDED = ("End Time", "Attempt", "Start Time", "Agent", "Work Queue")
RUN = Reference()
YEAR = 366 * 86400.0


@group("flow-run", "Runs: list, follow, cancel, retry, explain.")
def flow_run() -> None:
    """The group itself does nothing."""


@flow_run.command("ls")
@click.option("-l", "--limit", type=ROWS, default=50, show_default=True, help="At most so many, the newest.")
@click.option("-s", "--state", "states", multiple=True, type=OneOf(STATES), metavar="STATE", help="Only in this state.")
@click.option("-d", "--deployment", type=Reference(), help="Only of this deployment (FLOW/NAME or id).")
@click.option("-q", "--queue", type=QUEUE, help="Only on this work queue.")
@click.option("--since", type=Duration(1, YEAR), help="Only made within this time, as in 2h.")
def ls(
    output: Output, limit: int, states: tuple[str, ...], deployment: str | None, queue: str | None, since: float | None
) -> None:
    """List runs, the newest first."""
    from datetime import UTC, datetime, timedelta

    start = datetime.now(UTC) - timedelta(seconds=since) if since else None
    with client() as opened:
        runs = opened.list_flow_runs(limit=limit, states=states, deployment=deployment, work_queue=queue, since=start)
    output.rows(runs, RUNS, empty="There are no such runs.", optional=LESS_NEEDED)
    if len(runs) == limit and output.terminal:
        output.note(f"These are the newest {limit}; --limit shows more.")


@flow_run.command("inspect")
@click.argument("run", type=RUN, metavar="RUN")
def inspect(output: Output, run: str) -> None:
    """Show one run. State history, parameters, result, tasks, how its process ended."""
    with client() as opened:
        output.record(opened.get_flow_run(run))


@flow_run.command("logs")
@click.argument("run", type=RUN, metavar="RUN")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run has ended.")
def logs(output: Output, run: str, follow: bool) -> None:
    """Print what a run logged and printed, in order."""
    with client() as opened:
        lines = opened.follow_logs(run) if follow else lines_there(opened, run)
        if output.form == "json":
            output.rows(list(lines), {}, empty="")
            return
        for line in lines:
            print_line(output, line)
            if follow:
                output.flush()


@flow_run.command("cancel")
@click.argument("run", type=RUN, metavar="RUN")
def cancel(output: Output, run: str) -> None:
    """Cancel a run. A waiting one ends at once, a running one when its processes are gone."""
    with client() as opened:
        done = opened.cancel(run)
    told = "is cancelled" if done.state == "CANCELLED" else "is being cancelled: its agent ends its processes"
    before = "already" if done.state == done.state_before else f"(was {done.state_before})"
    output.done(done, f"Flow run {done.name} {told} {before}")


@flow_run.command("retry")
@click.argument("run", type=RUN, metavar="RUN")
def retry(output: Output, run: str) -> None:
    """Run an ended run again. The new run has the same parameters."""
    with client() as opened:
        made = opened.retry(run)
    output.done({"id": made.id, "name": made.name}, f"Created flow run {made.name}, id {made.id}, on {made.work_queue}")


@flow_run.command("explain")
@click.argument("run", type=RUN, metavar="RUN")
def explain(output: Output, run: str) -> None:
    """Say why a run is not running. And what would change that."""
    with client() as opened:
        told = opened.explain(run)
    print_explanation(output, told)
