"""How the status looks: what is wrong first, then queues, agents, late runs and failures, cut to one screen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.cli.moments import spoken
from orchestrator.cli.output import Columns, Output
from orchestrator.cli.tables import cut

if TYPE_CHECKING:
    from orchestrator.client.status_values import QueueStatus, Status

RED, RESET = "\x1b[31m", "\x1b[0m"
MIB = 1 << 20
PROBLEMS_SHOWN = 4
LATE_RUNS = 2
"""The place of the late runs among the sections."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table of the screen. `urgency` orders its rows when there is no room for all: the smallest stay."""

    rows: Sequence[Any]
    columns: Columns
    empty: str
    rest: str  # the command that shows all
    urgency: Callable[[Any], Any] | None = None
    optional: tuple[str, ...] = ()


def screen(output: Output, status: Status, *, failure: str | None = None) -> None:
    """Print the status; on a terminal no more of it than fits."""
    head = head_of(output, status, failure)
    for line in head:
        output.line(line)
    sections = sections_of(status, terminal=output.terminal)
    shares = [len(section.rows) for section in sections]
    if output.terminal:
        shares = shared(shutil.get_terminal_size((100, 24)).lines - 1 - len(head), shares)
    for section, share in zip(sections, shares, strict=True):
        show(output, section, share)


def head_of(output: Output, status: Status, failure: str | None) -> list[str]:
    """Time, Redis, scheduler, counts, and what needs somebody."""
    runs = f"{status.running} running, {status.queued} queued, {status.late} late, {status.scheduled} not due"
    redis, scheduler = redis_text(status), scheduler_text(status)
    problems = [(problem.text, problem.command) for problem in status.problems]
    if failure:
        problems.insert(0, (f"nothing new since the time above: {failure}", None))
    if not output.terminal:
        facts = {"Time": output.cell(status.at), "Redis": redis, "Scheduler": scheduler, "Runs": runs}
        lines = [f"{name}\t{output.cell(text)}" for name, text in facts.items()]
        return lines + [f"Problem\t{output.cell(text)}\t{output.cell(command)}" for text, command in problems]
    facts = {output.cell(status.at): runs, "Scheduler": f"{scheduler}; Redis {redis}"}
    lines = [
        f"{output.bold(name)}  {cut(output.cell(text), output.width - len(name) - 2)}" for name, text in facts.items()
    ]
    for text, command in problems[:PROBLEMS_SHOWN]:
        lines += alarm(output, text, command)
    more = len(problems) - PROBLEMS_SHOWN
    return [*lines, f"  and {more} more: headgate doctor"] if more > 0 else lines


def alarm(output: Output, text: str, command: str | None) -> list[str]:
    """A line that must be seen, and the command that helps: behind it where there is room, else below."""
    lines, command = output.wrapped(f"! {output.cell(text)}"), output.cell(command) if command else ""
    colour, reset = (RED, RESET) if output.coloured else ("", "")
    *above, last = (f"{colour}{line}{reset}" for line in lines)
    if not command:
        return [*above, last]
    beside = not above and len(lines[0]) + 2 + len(command) <= output.width
    return [f"{last}  {command}"] if beside else [*above, last, f"    {command}"]


def redis_text(status: Status) -> str:
    """The Redis in one line."""
    redis = status.redis
    memory = f"{redis.used_memory / MIB:.1f} MiB"
    memory += f" of {redis.memory_limit / MIB:.0f} MiB" if redis.memory_limit else ""
    return f"{redis.version}, up {spoken(redis.uptime_seconds)}, {memory}, {redis.address}"


def scheduler_text(status: Status) -> str:
    """Who leads, in one line."""
    one = status.scheduler
    if not one.leads:
        return "none is running"
    who = f"pid {one.pid} on {one.host}" if one.host and one.pid else "one"
    return f"{who} leads" + (f", for {spoken((status.at - one.since).total_seconds())}" if one.since else "")


def slots(queue: QueueStatus) -> str:
    """Slots taken and there: `3/4`."""
    return f"{queue.running}/{'-' if queue.concurrency_limit is None else queue.concurrency_limit}"


def sections_of(status: Status, *, terminal: bool) -> list[Section]:
    """The tables, in the order of the screen."""

    def ago(moment: Any) -> Any:
        """For people how long ago; programs get the time itself."""
        return f"{spoken((status.at - moment).total_seconds())} ago" if moment and terminal else moment

    return [queues_of(status), agents_of(status, ago), late_runs_of(status, ago), failures_of(status, ago)]


def queues_of(status: Status) -> Section:
    """Work queues with their slots; those where most waits stay longest."""
    return Section(
        rows=status.work_queues,
        columns={
            "Work Queue": "name",
            "State": "state",
            "Slots": slots,
            "Queued": "queued",
            "Late": "late",
            "Oldest Wait": lambda one: None if one.oldest_wait_seconds is None else spoken(one.oldest_wait_seconds),
            "Agents": "agents",
        },
        empty="There are no work queues.",
        rest="headgate work-queue ls",
        urgency=lambda one: (-one.late, -one.queued, -one.running),
    )


def agents_of(status: Status, ago: Callable[[Any], Any]) -> Section:
    """Agents and when they were heard of."""
    return Section(
        rows=status.agents,
        columns={
            "Agent": "name",
            "Host": "host",
            "State": "state",
            "Runs": lambda one: f"{one.running}/{one.limit}",
            "Heartbeat": lambda one: ago(one.last_heartbeat),
            "Queues": "queues",
        },
        empty="There are no agents.",
        rest="headgate agent ls",
        urgency=lambda one: (one.state != "lost", -one.running),
    )


def late_runs_of(status: Status, ago: Callable[[Any], Any]) -> Section:
    """Runs that wait, the longest first, and why."""
    return Section(
        rows=status.late_runs,
        columns={
            "Late Run": "name",
            "Deployment": "deployment",
            "Work Queue": "work_queue",
            "Due": lambda one: ago(one.scheduled_start_time),
            "Why": "why",
        },
        empty="No run is late.",
        rest="headgate flow-run ls --state QUEUED",
        optional=("Work Queue", "Deployment"),
    )


def failures_of(status: Status, ago: Callable[[Any], Any]) -> Section:
    """What failed last."""
    return Section(
        rows=status.last_failures,
        columns={
            "Last Failure": "name",
            "Deployment": "deployment",
            "State": "state_name",
            "Ended": lambda one: ago(one.end_time),
            "Agent": "agent",
            "Error": "error",
        },
        empty="No run has failed.",
        rest="headgate flow-run ls --state FAILED --state CRASHED",
        optional=("Agent", "Deployment"),
    )


def shared(room: int, wanted: Sequence[int]) -> list[int]:
    """How many rows each section gets of the lines there are: the longest gives way first, none loses its last row."""
    got = list(wanted)
    while sum(map(height, got, wanted)) > room and max(got) > 1:
        # Of equals the one that stands lower gives way, but for the late runs, which are why people look.
        got[max(range(len(got)), key=lambda place: (got[place], place != LATE_RUNS, place))] -= 1
    # The line that says "and 1 more" may as well be that one.
    return [want if share == want - 1 else share for share, want in zip(got, wanted, strict=True)]


def height(share: int, wanted: int) -> int:
    """The lines of a section: an empty one, its titles, its rows, and one that says how many more there are."""
    return 2 + share + (share < wanted)


def show(output: Output, section: Section, share: int) -> None:
    """Print one section, with as many of its rows as it may."""
    output.line("")
    if not section.rows and output.terminal:
        output.line(section.empty)
        return
    rows = list(section.rows)
    if share < len(rows) and section.urgency:
        kept = sorted(rows, key=section.urgency)[:share]
        rows = [row for row in rows if row in kept]
    output.table(rows[:share], section.columns, section.optional)
    if share < len(section.rows):
        output.line(f"and {len(section.rows) - share} more: {section.rest}")
