"""`headgate flow-run`: list, look into, follow, cancel, retry, delete and explain runs."""

from typing import Any

import click

from orchestrator.cli import flow_run_changes, flow_run_follow
from orchestrator.cli.access import client
from orchestrator.cli.explain import print_explanation
from orchestrator.cli.frame import group
from orchestrator.cli.output import Output
from orchestrator.cli.run_rows import LESS_NEEDED, RUN, RUNS
from orchestrator.cli.selection import EITHER, selection
from orchestrator.cli.values import ROWS
from queues.states import State


@group("flow-run", "Runs: list, follow, cancel, retry, explain.")
def flow_run() -> None:
    """The group itself does nothing."""


@flow_run.command("ls")
@click.option("-l", "--limit", type=ROWS, default=50, show_default=True, help="At most so many, the newest.")
@selection(tuple(State), EITHER)
@click.option("--ids-only", is_flag=True, help="Print nothing but ids.")
def ls(output: Output, limit: int, ids_only: bool, which: dict[str, Any]) -> None:
    """List runs, the newest first."""
    with client() as opened:
        runs = opened.list_flow_runs(limit=limit, **which)
    if ids_only:
        output.values([run.id for run in runs])
        return
    output.rows(runs, RUNS, empty="There are no such runs.", optional=LESS_NEEDED)
    if len(runs) == limit and output.terminal:
        output.note(f"These are the newest {limit}; --limit shows more.")


@flow_run.command("inspect")
@click.argument("run", type=RUN, metavar="RUN")
def inspect(output: Output, run: str) -> None:
    """Show one run. State history, parameters, result, tasks, how its process ended."""
    with client() as opened:
        output.record(opened.get_flow_run(run))


flow_run.add_command(flow_run_follow.logs)
flow_run.add_command(flow_run_follow.watch)
for change in (flow_run_changes.cancel, flow_run_changes.retry, flow_run_changes.delete):
    flow_run.add_command(change)


@flow_run.command("explain")
@click.argument("run", type=RUN, metavar="RUN")
def explain(output: Output, run: str) -> None:
    """Say why a run is not running. And what would change that."""
    with client() as opened:
        told = opened.explain(run)
    print_explanation(output, told)
