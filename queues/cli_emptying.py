"""`headgate work-queue clear|delete`: both ask before, and both can be tried without doing anything."""

import click

from orchestrator.cli.access import client
from orchestrator.cli.confirm import DRY_RUN, YES, confirm
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Output
from orchestrator.cli.progress import Progress
from orchestrator.cli.values import QUEUE, OneOf
from queues.states import State

UNCLAIMED = (State.QUEUED, State.SCHEDULED)


@click.command("clear", cls=Command)
@click.argument("name", type=QUEUE, metavar="NAME")
@click.option(
    "-s",
    "--state",
    "states",
    multiple=True,
    type=OneOf(UNCLAIMED),
    metavar="STATE",
    help="Only QUEUED (due), or only SCHEDULED (not due yet); both unless given.",
)
@DRY_RUN
@YES
def clear(output: Output, name: str, states: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Cancel every run that waits for a queue. Running ones go on."""
    kind = f" in state {' or '.join(states)}" if states else ""
    with client() as opened:
        done = opened.clear_work_queue(name, states=states, dry_run=True)
        if done.waiting and not dry_run:
            confirm(f"Cancel {runs(done.waiting)} of work queue {done.name}{kind}?", yes=yes)
            progress = Progress("Cancelling", done.waiting)
            try:
                done = opened.clear_work_queue(name, states=states, progress=progress.at)
            finally:
                progress.end()
    if not done.waiting:
        told = f"Nothing waits on work queue {done.name}{kind}"
    elif dry_run:
        told = f"Would cancel {runs(done.waiting)} of work queue {done.name}{kind}"
    else:
        told = f"Cancelled {runs(done.cancelled)} of work queue {done.name}{kind}"
        missed = done.waiting - done.cancelled
        told += f"; {missed} had been started or moved by then" if missed else ""
    output.done(done, told)


@click.command("delete", cls=Command)
@click.argument("name", type=QUEUE, metavar="NAME")
@DRY_RUN
@YES
def delete(output: Output, name: str, dry_run: bool, yes: bool) -> None:
    """Delete a work queue. Refused while runs or deployments need it."""
    with client() as opened:
        gone = opened.delete_work_queue(name, dry_run=True)
        if not dry_run:
            confirm(f"Delete work queue {gone.name}?", yes=yes)
            gone = opened.delete_work_queue(name)
    output.done(gone, f"{'Would delete' if dry_run else 'Deleted'} work queue {gone.name}")
    if gone.listening_agents:
        output.note(f"Warning: {', '.join(gone.listening_agents)} still listens to it; start it again without it.")


def runs(count: int) -> str:
    """So many waiting runs, as a person says it."""
    return f"{count:,} waiting flow run{'s' * (count != 1)}"
