"""`headgate flow-run cancel`, `retry` and `delete`: of runs that are named, or of all that some options choose."""

from __future__ import annotations

from typing import Any

import click

from orchestrator.cli.access import client
from orchestrator.cli.confirm import DRY_RUN, YES, confirm
from orchestrator.cli.flow_run_many import Verb, change_many, check_choice
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Output
from orchestrator.cli.run_rows import RUN
from orchestrator.cli.selection import ENDED, MADE, selection
from queues.states import TERMINAL, State

OVER = tuple(state for state in State if state in TERMINAL)
GOING_ON = tuple(state for state in State if state not in TERMINAL and state != State.CANCELLING)
CANCEL = Verb(word="cancel", did="Cancelled", doing="Cancelling", states=(*GOING_ON, State.CANCELLING))
RETRY = Verb(word="retry", did="Retried", doing="Retrying", states=OVER)
DELETE = Verb(word="delete", did="Deleted", doing="Deleting", states=OVER, destroys=True)
NAMES = click.argument("runs", nargs=-1, type=RUN, metavar="[RUN]...")


@click.command("cancel", cls=Command)
@NAMES
@selection(GOING_ON, MADE)
@DRY_RUN
@YES
def cancel(output: Output, runs: tuple[str, ...], which: dict[str, Any], dry_run: bool, yes: bool) -> None:
    """Cancel runs, named or chosen by options. Waiting ones end at once, others when their processes are gone."""
    check_choice(CANCEL, runs, which)
    with client() as opened:
        if len(runs) != 1 or dry_run:
            change_many(CANCEL, output, opened, runs, which, yes=yes, dry_run=dry_run)
            return
        done = opened.cancel(runs[0])
    told = "is cancelled" if done.state == "CANCELLED" else "is being cancelled: its agent ends its processes"
    before = "already" if done.state == done.state_before else f"(was {done.state_before})"
    output.done(done, f"Flow run {done.name} {told} {before}")


@click.command("retry", cls=Command)
@NAMES
@selection(OVER, ENDED)
@DRY_RUN
@YES
def retry(output: Output, runs: tuple[str, ...], which: dict[str, Any], dry_run: bool, yes: bool) -> None:
    """Run ended runs again, named or chosen by options. Each new run has the same parameters.

    Options choose runs that failed or crashed, unless --state says otherwise, and none that was retried before: given
    again after an interruption, the command does the rest.
    """
    check_choice(RETRY, runs, which)
    with client() as opened:
        if len(runs) != 1 or dry_run:
            change_many(RETRY, output, opened, runs, which, yes=yes, dry_run=dry_run)
            return
        made = opened.retry(runs[0])
    output.done({"id": made.id, "name": made.name}, f"Created flow run {made.name}, id {made.id}, on {made.work_queue}")


@click.command("delete", cls=Command)
@NAMES
@selection(OVER, ENDED)
@DRY_RUN
@YES
def delete(output: Output, runs: tuple[str, ...], which: dict[str, Any], dry_run: bool, yes: bool) -> None:
    """Delete ended runs, named or chosen by options: logs, results, tasks, everything."""
    check_choice(DELETE, runs, which)
    with client() as opened:
        if len(runs) != 1 or dry_run:
            change_many(DELETE, output, opened, runs, which, yes=yes, dry_run=dry_run)
            return
        (run,) = opened.flow_runs(opened.flow_run_ids(runs))
        if run.state in OVER:  # of any other the refusal says more than a question
            confirm(f"Delete flow run {run.name} ({run.state}, {run.deployment})?", yes=yes)
        gone = opened.delete(run.id)
    output.done(gone, f"Deleted flow run {gone.name}, which was {gone.state}")
