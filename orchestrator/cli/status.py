"""`headgate status`: everything that is looked at first when something is wrong, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.access import client
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Output

if TYPE_CHECKING:
    from orchestrator.cli.live_screen import LiveScreen
    from orchestrator.client import Client
    from orchestrator.client.status_values import Status

EVERY_SECONDS = 2.0


@click.command("status", cls=Command)
@click.option("-w", "--watch", is_flag=True, help="Draw it again every 2 seconds, until q or Ctrl-C.")
def status(output: Output, watch: bool) -> None:
    """Show the whole installation on one screen. Queues with their slots, late runs and why, agents, last failures."""
    from orchestrator.cli.status_screen import screen

    with client() as opened:
        if watch:
            follow(output, opened)
        elif output.form == "text":
            screen(output, opened.status())
        else:
            output.json(opened.status())


def follow(output: Output, opened: Client) -> None:
    """Shows the status again and again: in place on a terminal that can, else one after the other."""
    from orchestrator.cli.live_screen import LiveScreen
    from queues.errors import RedisFailure

    live = LiveScreen(output)
    shown = opened.status()  # when Redis is not there at the start, that is the answer
    failure: str | None = None
    with live.keys() as asked_to_end:
        while True:
            draw(output, live, shown, failure)
            if asked_to_end(EVERY_SECONDS):
                return
            try:
                shown, failure = opened.status(), None
            except RedisFailure as found:
                failure = str(found)


def draw(output: Output, live: LiveScreen, shown: Status, failure: str | None) -> None:
    """Shows one status, or for programs why there is none."""
    from orchestrator.cli.status_screen import screen

    if output.form == "text":
        with live.drawing() as page:
            screen(page, shown, failure=failure)
    else:
        output.json({"error": failure} if failure else shown)
        output.flush()
