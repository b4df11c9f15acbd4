"""`headgate agent`: start the process that pulls runs here, and look at or end the agents of all machines."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from json import loads
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.access import client, settings, settings_of_role
from orchestrator.cli.failures import CommandError
from orchestrator.cli.frame import group
from orchestrator.cli.output import Columns, Output, as_json, fields_of
from orchestrator.cli.run_log import print_line
from orchestrator.cli.run_rows import CHANGES, LESS_NEEDED, RUNS
from orchestrator.cli.values import LABEL, QUEUE, QueuePrefix, Reference, Whole
from orchestrator.errors import NotFound
from queues.errors import UnknownQueue

if TYPE_CHECKING:
    from agent.orders import Order
    from orchestrator.client import Client
    from orchestrator.client.queue_values import AgentInfo
    from orchestrator.config import Settings
    from orchestrator.store.run_logs import LogRecord

MOST_RUNS = 1000
NARROW = ("PID", "ID", "Labels")
"""What a narrow terminal does not show of agents, first ones first."""
NO_AGENTS = "There are no agents; start one with `headgate agent start`."
MATCH = "All work queues whose names begin so, those made later too; may come often."
AGENTS: Columns = {
    "ID": "id",
    "Name": "name",
    "Host": "host",
    "PID": "pid",
    "Queues": "queues",
    "Labels": "labels",
    "Limit": "limit",
    "Running": "running",
    "State": "state",
    "Last Heartbeat": "last_heartbeat",
}


@group("agent", "The process that pulls runs and launches each.")
def agent() -> None:
    """The group itself does nothing."""


@agent.command("start", shows=False)
@click.option("-q", "--queue", "queues", type=QUEUE, multiple=True, help="A work queue to pull from; may come often.")
@click.option("-m", "--match", "prefixes", type=QueuePrefix(), multiple=True, metavar="PREFIX*", help=MATCH)
@click.option("--label", "labels", type=LABEL, multiple=True, help="What this agent has, as in gpu; may come often.")
@click.option("-l", "--limit", type=Whole(1, MOST_RUNS), help="How many runs at once; as many as CPUs without it.")
@click.option("-n", "--name", type=QUEUE, help="What to call it; without it the host's name and a number.")
@click.option("--create-queues", is_flag=True, help="Make work queues that do not exist yet.")
@click.option("--health-port", type=Whole(0, 65535), help="Answer GET /health and /ready there; 0 takes any free port.")
@click.option("--health-host", default="127.0.0.1", help="Its address (127.0.0.1: this machine only).")
def start(
    queues: Sequence[str],
    prefixes: Sequence[str],
    labels: Sequence[str],
    limit: int | None,
    name: str | None,
    create_queues: bool,
    **probes: Any,
) -> None:
    """Run an agent in the foreground. Without -q and -m it pulls from the queue `default`."""
    from agent.options import AgentOptions, keeper_command

    chosen = settings_of_role()
    with client(chosen) as opened:
        names = known_queues(opened, queues or ([] if prefixes else ["default"]), create_queues)
    options = AgentOptions.from_settings(
        chosen,
        queues=names,
        limit=limit,
        name=name,
        redis_url=chosen.redis_url or embedded_redis(chosen),
        labels=tuple(labels),
        queue_prefixes=tuple(dict.fromkeys(prefixes)),
        **probes,
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
        except (NotFound, UnknownQueue) as error:
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

    with EmbeddedRedis.acquire(chosen.home, prefix=chosen.prefix, strict=chosen.strict) as held:
        hold = RedisHome.under(chosen.home).lock("users")
        hold.take(shared=True)
        os.set_inheritable(hold.fd, True)
        return held.url


@agent.command("ls")
@click.option("-w", "--watch", is_flag=True, help="List them again every 2 seconds, until q or Ctrl-C.")
def ls(output: Output, watch: bool) -> None:
    """List the agents of all machines."""
    from orchestrator.cli.following import follow

    with client() as opened:
        if watch:
            follow(output, opened.list_agents, page_of_agents)
        else:
            output.rows(opened.list_agents(), AGENTS, empty=NO_AGENTS, optional=NARROW)


def page_of_agents(page: Output, found: Sequence[AgentInfo], *, failure: str | None = None) -> None:
    """Prints the agents as they were seen last, after why they can not be seen now."""
    if failure:
        page.line(page.bold(f"nothing new: {failure}"))
    page.table(found, AGENTS, NARROW) if found else page.line(NO_AGENTS)


@agent.command("inspect")
@click.argument("name", type=Reference(), metavar="NAME")
def inspect(output: Output, name: str) -> None:
    """Show one agent with the runs it holds."""
    with client() as opened:
        found = opened.get_agent(name)
    if output.form != "text":
        output.json(found)
        return
    left_out = {"runs", "changes"} | (set() if found.preparing else {"preparing"})
    output.record({field: value for field, value in fields_of(found).items() if field not in left_out})
    output.section("Runs", found.runs, RUNS, LESS_NEEDED)
    output.section("Changes", found.changes, CHANGES)


@agent.command("drain")
@click.argument("name", type=Reference(), metavar="NAME")
def drain(output: Output, name: str) -> None:
    """Let an agent finish its runs and end. It takes no further run from now on."""
    with client() as opened:
        asked = opened.drain_agent(name)
    output.done(asked, f"Asked agent {asked.name} on {asked.host} to drain: {asked.running} running go on to their end")
    warn_if_lost(output, asked)


@agent.command("stop")
@click.argument("name", type=Reference(), metavar="NAME")
def stop(output: Output, name: str) -> None:
    """Make an agent end now. Its runs are ended and given back to their queues."""
    with client() as opened:
        asked = opened.stop_agent(name)
    output.done(
        asked, f"Asked agent {asked.name} on {asked.host} to stop: {asked.running} running go back to their queues"
    )
    warn_if_lost(output, asked)


def warn_if_lost(output: Output, asked: AgentInfo) -> None:
    """Says that an agent may never learn what it was asked."""
    from queues.presence import LOST

    if asked.state == LOST:
        since = output.cell(asked.last_heartbeat)
        output.note(f"Warning: it has not been heard of since {since}, and learns it only if it comes back")


def run_here(output: Output, name: str, parameters: Mapping[str, Any], env: Mapping[str, str]) -> None:
    """Run a deployment's flow in this terminal, as an agent would, without an agent and without a record of it.

    Lines go to stdout, what is said about the run to stderr. CommandError with exit code 6 unless it completes.
    """
    from agent.here import order_here
    from agent.here_code import code_here
    from agent.options import AgentOptions
    from agent.provision import place_here

    chosen = settings()
    with ExitStack() as places:
        with client(chosen) as opened:
            spec: Mapping[str, Any] = opened.deployment_spec(name, parameters, env)
            code = code_here(opened.store.bundles, spec, home=opened.home, say=output.note)
            options = AgentOptions.from_settings(chosen, queues=["here"])
            place = place_here(options, os.environ, output.note)
            order = order_here(places.enter_context(code), os.environ, place=place)
        carry_out(output, order, chosen)


def carry_out(output: Output, order: Order, chosen: Settings) -> None:
    """Launch the flow in this terminal and tell how it ends."""
    from agent.here import Here

    if order.problem is not None:
        hint = "bring it there, or create the deployment again: `headgate deployment create FILE`"
        raise CommandError(str(order.problem), code="not-here", field="--here", hint=hint)
    show = partial(show_lines, output, order.attempt)
    here = Here(order, show=show, say=output.note, kill_seconds=chosen.kill_seconds)
    output.note(f"Running {order.deployment} here as {order.run_name}; no record is kept of it")
    outcome = here.run()
    result = loads(outcome.data.get("result", b"null"))
    if output.form != "text":
        ended = {"state": outcome.state, "reason": outcome.reason or None, "result": result}
        output.json({"id": order.run_id, "name": order.run_name, **ended})
    if here.interrupts:
        raise KeyboardInterrupt
    told = f"{order.deployment} ended {outcome.name or outcome.state}"
    if outcome.state != "COMPLETED":
        raise CommandError(f"{told}: {outcome.reason}", exit_code=6, code="not-completed")
    output.note(told if result is None else f"{told}; result: {as_json(result):.500}")


def show_lines(output: Output, attempt: int, records: Sequence[LogRecord]) -> None:
    """Print lines as they come; programs get the end of the run alone."""
    from orchestrator.client.values import LogLine
    from orchestrator.store.run_logs import SOURCES
    from queues.clock import from_us

    for record in records if output.form == "text" else ():
        line = LogLine(
            timestamp=from_us(record.at_us),
            attempt=attempt,
            sequence=0,
            level=record.level,
            source=SOURCES[record.source],
            logger=record.logger,
            task=record.task,
            message=record.text,
            position="",
        )
        print_line(output, line)
    output.flush()
