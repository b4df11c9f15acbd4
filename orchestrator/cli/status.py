"""`headgate status`: everything that is looked at first when something is wrong, on one screen."""

from __future__ import annotations

import click

from orchestrator.cli.access import client
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Output


@click.command("status", cls=Command)
@click.option("-w", "--watch", is_flag=True, help="Draw it again every 2 seconds, until q or Ctrl-C.")
def status(output: Output, watch: bool) -> None:
    """Show the whole installation on one screen. Queues with their slots, late runs and why, agents, last failures."""
    from orchestrator.cli.following import follow
    from orchestrator.cli.status_screen import screen

    with client() as opened:
        if watch:
            follow(output, opened.status, screen)
        elif output.form == "text":
            screen(output, opened.status())
        else:
            output.json(opened.status())
