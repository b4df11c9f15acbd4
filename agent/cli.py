"""`headgate agent`: start the process that pulls runs here, and look at or end the agents of all machines."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from orchestrator.cli.access import client, settings
from orchestrator.cli.failures import CommandError
from orchestrator.cli.frame import group
from orchestrator.cli.output import Columns, Output
from orchestrator.cli.values import QUEUE, Reference, Whole
from orchestrator.errors import NotFound

if TYPE_CHECKING:
    from orchestrator.client import Client
    from orchestrator.config import Settings

MOST_RUNS = 1000
AGENTS: Columns = {
    "ID": "id",
    "Name": "name",
    "Host": "host",
    "PID": "pid",
    "Queues": "queues",
    "Limit": "limit",
    "Running": "running",
    "State": "state",
    "Last Heartbeat": "last_heartbeat",
}


@group("agent", "The process that pulls runs and launches each in a subprocess.")
def agent() -> None:
    """The group itself does nothing."""


@agent.command("start", shows=False)
@click.option("-q", "--queue", "queues", type=QUEUE, multiple=True, help="A work queue to pull from; may come often.")
@click.option("-l", "--limit", type=Whole(1, MOST_RUNS), help="How many runs at once; as many as CPUs without it.")
@click.option("-n", "--name", type=QUEUE, help="What to call it; without it the host's name and a number.")
@click.option("--create-queues", is_flag=True, help="Make work queues that do not exist yet.")
def start(queues: Sequence[str], limit: int | None, name: str | None, create_queues: bool) -> None:
    """Run an agent in the foreground. Without -q it pulls from the queue `default`."""
    from agent.options import AgentOptions, keeper_command

    chosen = settings()
    with client(chosen) as opened:
        names = known_queues(opened, queues or ["default"], create_queues)
    options = AgentOptions.from_settings(
        chosen, queues=names, limit=limit, name=name, redis_url=chosen.redis_url or embedded_redis(chosen)
    )
    sys.stdout.flush()
    command = keeper_command()
    os.execve(command[0], command, os.environ | options.environment())


def known_queues(opened: Client, queues: Sequence[str], create: bool) -> list[str]:
    """The names of the queues; unknown ones are made only where that is asked for, and only when the rest is right."""
    names, missing = [], []
    for queue in dict.fromkeys(queues):
        try:
            names.append(opened.get_work_queue(queue).name)
        except NotFound as error:
            if not create:
                hint = f"make it with `headgate work-queue create {queue}`, or add --create-queues"
                raise CommandError(str(error), exit_code=3, code="not-found", field="--queue", hint=hint) from error
            missing.append(queue)
            names.append(queue)
    for queue in missing:
        opened.create_work_queue(queue)
    return names


def embedded_redis(chosen: Settings) -> str:
    """The address of the embedded Redis; the hold on it goes on in the keeper that this process becomes."""
    from queues.redis_home import RedisHome
    from queues.redis_server import EmbeddedRedis

    with EmbeddedRedis.acquire(chosen.home, prefix=chosen.prefix) as held:
        hold = RedisHome.under(chosen.home).lock("users")
        hold.take(shared=True)
        os.set_inheritable(hold.fd, True)
        return held.url


@agent.command("ls")
def ls(output: Output) -> None:
    """List the agents of all machines."""
    with client() as opened:
        output.rows(opened.list_agents(), AGENTS, empty="There are no agents; start one with `headgate agent start`.")


@agent.command("inspect")
@click.argument("name", type=Reference(), metavar="NAME")
def inspect(output: Output, name: str) -> None:
    """Show one agent with the runs it holds."""
    with client() as opened:
        output.record(opened.get_agent(name))


@agent.command("drain")
@click.argument("name", type=Reference(), metavar="NAME")
def drain(output: Output, name: str) -> None:
    """Let an agent finish its runs and end. It takes no further run from now on."""
    with client() as opened:
        asked = opened.drain_agent(name)
    output.done(asked, f"Asked agent {asked.name} on {asked.host} to drain: {asked.running} running go on to their end")


@agent.command("stop")
@click.argument("name", type=Reference(), metavar="NAME")
def stop(output: Output, name: str) -> None:
    """Make an agent end now. Its runs are ended and given back to their queues."""
    with client() as opened:
        asked = opened.stop_agent(name)
    output.done(
        asked, f"Asked agent {asked.name} on {asked.host} to stop: {asked.running} running go back to their queues"
    )
