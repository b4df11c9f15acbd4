"""`headgate agent`: start the process that pulls runs on this machine, and look at or end the agents of all machines."""


import click

from orchestrator.cli.access import client
from orchestrator.cli.frame import group
from orchestrator.cli.output import Columns, Output
from orchestrator.cli.values import Reference

LARGEST_AGENT = 1000
KEEPER = "from agent.keeper import main; main()"
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
    """Ask an agent to take no further run, to let the running ones end, and then to end itself."""
    with client() as opened:
        asked = opened.drain_agent(name)
    output.done(asked, f"Asked agent {asked.name} on {asked.host} to drain: {asked.running} running go on to their end")


@agent.command("stop")
@click.argument("name", type=Reference(), metavar="NAME")
def stop(output: Output, name: str) -> None:
    """Ask an agent to end now: its runs are ended and given back to their queues."""
    with client() as opened:
        asked = opened.stop_agent(name)
    output.done(asked, f"Asked agent {asked.name} on {asked.host} to stop: {asked.running} running go back to their queues")
