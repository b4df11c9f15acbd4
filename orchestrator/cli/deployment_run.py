"""`headgate deployment run`: make a run now or for later, and follow it; or run the flow here, without any agent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.access import client
from orchestrator.cli.failures import CommandError
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Output
from orchestrator.cli.values import LABEL, Duration, Moment, Reference

if TYPE_CHECKING:
    from orchestrator.client import Client

YEAR = 366 * 86400.0
NEEDS_LABELS = "needs an agent with label"
"""How the reason begins that nobody has the labels of a run."""


@click.command("run", cls=Command)
@click.argument("name", type=Reference(), metavar="FLOW/NAME")
@click.option(
    "-p", "--param", "pairs", multiple=True, metavar="KEY=JSON", help="A parameter; what is not JSON is text."
)
@click.option("--params", "whole", metavar="JSON", help="All parameters as a JSON object; - reads it from stdin.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the flow's environment.")
@click.option("--watch", is_flag=True, help="Follow states and logs to the end; exit 6 unless it completes.")
@click.option(
    "--timeout", type=Duration(0.1, YEAR), help="With --watch: leave after this time (exit 7); the run goes on."
)
@click.option("--at", type=Moment(), metavar="TIME", help="Run at this time, as in 17:30 or 2026-03-01T09:00:00Z.")
@click.option("--in", "delay", type=Duration(0, YEAR), metavar="DURATION", help="Run after this time, as in 10m.")
@click.option("--requires", type=LABEL, multiple=True, help="A label that its agent must have; may come often.")
@click.option("--here", is_flag=True, help="Run it now in a process of this terminal: no agent, no record.")
def run(
    output: Output,
    name: str,
    variables: Sequence[str],
    watch: bool,
    timeout: float | None,
    here: bool,
    requires: Sequence[str],
    **given: Any,
) -> None:
    """Make a run of a deployment."""
    from orchestrator.cli.parameters import parameters_of
    from orchestrator.cli.variables import variables_of, warn_of_secrets

    at = start_time(given["at"], given["delay"])
    if timeout is not None and not watch:
        raise misused("--timeout", "only a watched run can time out", "add --watch")
    if here and (at or watch):
        raise misused("--here", "it runs now and is watched anyway", "leave out --watch, --at and --in")
    if here and requires:
        raise misused("--requires", "it runs in this terminal, whatever labels there are", "leave out one of them")
    parameters, env = parameters_of(given["pairs"], given["whole"]), variables_of(variables, "--env")
    if here:
        from agent.cli import run_here

        run_here(output, name, parameters, env)
        return
    with client() as opened:
        made = opened.run_deployment(name, parameters, at=at, env=env, requires=requires)
        passed = at is not None and at <= datetime.now(UTC)
        due = f", due {output.cell(at)}" if at and not passed else ""
        told = f"Created flow run {made.name}, id {made.id}, on work queue {made.work_queue}{due}"
        output.done({"id": made.id, "name": made.name}, told)
        if passed:
            output.note(f"Warning: {output.cell(at)} has passed, so it is due at once")
        warn_of_secrets(output, env)
        if at and not passed and not opened.scheduler().leads:
            output.note("Warning: no scheduler is running, which puts it on its queue; `headgate scheduler start`")
        say_what_is_missing(output, opened, made.work_queue, made.why)
        if watch:
            from orchestrator.cli.run_watch import follow_to_the_end

            follow_to_the_end(output, opened, made, timeout)


def start_time(at: datetime | None, delay: float | None) -> datetime | None:
    """The time that `--at` or `--in` names."""
    if at is not None and delay is not None:
        raise misused("--in", "--at says already when it runs", "leave out one of them")
    return at if delay is None else datetime.now(UTC) + timedelta(seconds=delay)


def misused(field: str, message: str, hint: str) -> CommandError:
    """Options that do not go together."""
    return CommandError(message, exit_code=2, code="usage", field=field, hint=hint)


def say_what_is_missing(output: Output, opened: Client, work_queue: str, why: str | None = None) -> None:
    """Tells on stderr why runs of a work queue can not start soon, and what to start; `why` is what one waits for."""
    queue = opened.get_work_queue(work_queue)
    if not queue.agents:
        start = f"`headgate agent start -q {queue.name}`, or `headgate start` for everything on this machine"
        output.note(f"Warning: no agent listens to work queue {queue.name}, so nothing starts; start one with {start}")
    elif why and why.startswith(NEEDS_LABELS):
        output.note(f"Warning: it {why}, and no agent that listens to {queue.name} has that: `headgate agent ls`")
    if queue.paused:
        output.note(f"Warning: work queue {queue.name} is paused; `headgate work-queue resume {queue.name}`")
