"""How the status looks: what is wrong first, then queues, agents, late runs and failures, cut to one screen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.cli.moments import spoken
from orchestrator.cli.output import Columns, Output

if TYPE_CHECKING:
    from orchestrator.client.status_values import QueueStatus, Status

RED, RESET = "\x1b[31m", "\x1b[0m"
MIB = 1 << 20
PROBLEMS_SHOWN = 4
FRAME_LINES = 3
"""What a section takes besides its rows: an empty line, its titles, and the line that says how many more there are."""


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
        room = shutil.get_terminal_size((100, 24)).lines - 1 - len(head)
        shares = shared(room - FRAME_LINES * len(sections), shares)
    for section, share in zip(sections, shares, strict=True):
        show(output, section, share)


def head_of(output: Output, status: Status, failure: str | None) -> list[str]:
    """Time, Redis, scheduler, counts, and what needs somebody."""
    facts = {"Time": output.cell(status.at), "Redis": redis_text(status), "Scheduler": scheduler_text(status)}
    facts["Runs"] = f"{status.running} running, {status.queued} queued, {status.late} late, {status.scheduled} not due"
    if not output.terminal:
        problems = [f"Problem\t{output.cell(one.text)}\t{output.cell(one.command)}" for one in status.problems]
        lost = [f"Problem\t{output.cell(failure)}\t-"] if failure else []
        return [*(f"{name}\t{output.cell(text)}" for name, text in facts.items()), *lost, *problems]
    lines = [f"{output.bold(name.ljust(9))}  {output.cell(text)}"[:1000] for name, text in facts.items()]
    if failure:
        lines.append(alarm(output, f"{failure}; what follows is as of {facts['Time']}"))
    for problem in status.problems[:PROBLEMS_SHOWN]:
        lines.append(alarm(output, problem.text))
        lines += [f"    {output.cell(problem.command)}"] if problem.command else []
    more = len(status.problems) - PROBLEMS_SHOWN
    return [*lines, f"  and {more} more: headgate doctor"] if more > 0 else lines


def alarm(output: Output, text: str) -> str:
    """A line that must be seen."""
    line = f"! {output.cell(text)}"
    return f"{RED}{line}{RESET}" if output.coloured else line


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

    queues = Section(
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
    agents = Section(
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
        urgency=lambda one: (-one.heartbeat_age_seconds // 10, -one.running),
    )
    late = Section(
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
    failures = Section(
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
    return [queues, agents, late, failures]


def shared(room: int, wanted: Sequence[int]) -> list[int]:
    """How many rows each section gets of the room there is: at least one, and what one does not need another may."""
    got = [min(1, want) for want in wanted]
    while sum(got) < room and (open_ones := [place for place, want in enumerate(wanted) if got[place] < want]):
        got[min(open_ones, key=lambda place: got[place])] += 1
    return got


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
