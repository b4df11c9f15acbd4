"""`headgate doctor`: what is wrong with the installation, and the command that helps. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.access import client, settings
from orchestrator.cli.frame import Command
from orchestrator.cli.moments import spoken
from orchestrator.cli.output import Columns, Output

if TYPE_CHECKING:
    from orchestrator.client.doctor.values import Examination

FINDINGS: Columns = {"Kind": "kind", "Code": "code", "Where": "where", "Message": "message", "Remedy": "remedy"}


@click.command("doctor", cls=Command)
@click.pass_context
def doctor(context: click.Context, output: Output) -> None:
    """Look for what is wrong: Redis, scheduler, agents, queues, records, this machine. Changes nothing.

    Exit code 1 when there is a problem; notes do not count. Most of what it finds in Redis is repaired by a running
    scheduler within seconds.
    """
    chosen = settings()
    with client(chosen) as opened:
        found = opened.examine(chosen)
    if output.form != "text":
        output.json(found)
    else:
        show(output, found)
    if not found.healthy:
        context.exit(1)


def show(output: Output, found: Examination) -> None:
    """What was looked at in a few lines, then what there is to say of it."""
    output.record(summary(output, found))
    told = [*(("problem", one) for one in found.problems), *(("note", one) for one in found.notes)]
    if told and not output.terminal:
        rows = [{"kind": kind, **one.to_json()} for kind, one in told]
        output.line("")
        output.table(rows, FINDINGS)
    for kind, one in told if output.terminal else ():
        output.line("")
        output.paragraph(kind, f": {output.cell(one.where)}: {output.cell(one.message)}", output.painted)
        output.line(f"  {output.bold(output.cell(one.remedy))}")  # whole, to be copied
    output.note(verdict(found))


def summary(output: Output, found: Examination) -> dict[str, Any]:
    """The facts that are always worth a line."""
    from orchestrator.client.doctor.server import size

    redis, leader = found.redis, found.scheduler
    memory = size(redis.memory_used) + (f" of {size(redis.memory_limit)}" if redis.memory_limit else "")
    return {
        "redis": f"{redis.version} at {redis.url}, {redis.role}, up {spoken(redis.up_seconds)}",
        "persistence": found.persistence,
        "eviction_policy": found.eviction_policy,
        "memory": memory,
        "scheduler": leading(output, found) if leader.leads else "none",
        "agents": in_words(found.agents),
        "home": f"{found.home.path}, {size(found.home.free)} free",
        "examined": f"{found.keys_examined} of {found.keys} keys, {found.runs_examined} places where runs stand",
    }


def leading(output: Output, found: Examination) -> str:
    """Who leads, since when."""
    leader = found.scheduler
    since = f", leads since {output.cell(leader.since)}" if leader.since else ""
    return f"pid {leader.pid} on {leader.host}{since}" if leader.host else "one leads"


def in_words(agents: Sequence[Any]) -> str:
    """How many agents there are, by state."""
    counts: dict[str, int] = {}
    for agent in agents:
        counts[agent.state] = counts.get(agent.state, 0) + 1
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"


def verdict(found: Examination) -> str:
    """How it went, in a sentence."""
    problems, notes = len(found.problems), len(found.notes)
    words = f"{problems} problem{'s' * (problems != 1)}" if problems else "No problem found"
    text = f"\n{words}{f', {notes} note' + 's' * (notes != 1) if notes else ''}."
    if any("CONFIG SET" in one.remedy for one in (*found.problems, *found.notes)):
        text += " CONFIG SET lasts until Redis restarts; CONFIG REWRITE keeps it."
    return text
