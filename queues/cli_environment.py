"""`headgate work-queue set-env` and `unset-env`: variables that the runs of a queue get."""

from collections.abc import Sequence

import click

from orchestrator.cli.access import client
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Output
from orchestrator.cli.values import QUEUE
from orchestrator.cli.variables import in_words, variables_of, warn_of_secrets


@click.command("set-env", cls=Command)
@click.argument("name", type=QUEUE, metavar="NAME")
@click.argument("pairs", nargs=-1, required=True, metavar="VARIABLE=VALUE...")
def set_env(output: Output, name: str, pairs: Sequence[str]) -> None:
    """Set variables of the runs of a queue. Those of a deployment or a run win over them."""
    given = variables_of(pairs, "VARIABLE=VALUE")
    with client() as opened:
        found = opened.set_work_queue_env(name, given)
    same = "" if found.changed else " (it did before)"
    output.done(found, f"Runs of work queue {found.name} get {in_words(given)} from their next start on{same}")
    warn_of_secrets(output, given)


@click.command("unset-env", cls=Command)
@click.argument("name", type=QUEUE, metavar="NAME")
@click.argument("names", nargs=-1, required=True, metavar="VARIABLE...")
def unset_env(output: Output, name: str, names: Sequence[str]) -> None:
    """Take variables from the runs of a queue."""
    with client() as opened:
        found = opened.unset_work_queue_env(name, names)
    output.done(found, f"Runs of work queue {found.name} no longer get {in_words(found.changed)}")
    for missing in sorted({*names} - {*found.changed}):
        output.note(f"Work queue {found.name} sets no {missing}.")
