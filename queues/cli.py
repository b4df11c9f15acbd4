"""`headgate work-queue`: named queues on Redis, each with a concurrency limit, a pause switch, a lease, a priority."""

from typing import Any

import click

from orchestrator.cli.access import client
from orchestrator.cli.frame import group
from orchestrator.cli.moments import spoken
from orchestrator.cli.output import Columns, Output
from orchestrator.cli.run_rows import SLOTS
from orchestrator.cli.values import LIMIT, QUEUE, Duration, Whole
from queues.cli_emptying import clear, delete
from queues.cli_environment import set_env, unset_env

HOURS_OF_A_YEAR = 8784
YEAR = HOURS_OF_A_YEAR * 3600.0
LEASE = Duration(1, 3600)


@group("work-queue", "Named queues on Redis, each with a concurrency limit.")
def work_queue() -> None:
    """The group itself does nothing."""


def state_of(queue: Any) -> str:
    """Whether a queue lets runs start now, in one word or two."""
    if queue.paused:
        return "paused"
    if queue.concurrency_limit is not None and queue.running >= queue.concurrency_limit:
        return "full"
    return "ready" if queue.agents else "no agent"


TIMED = "Limit Until"
QUEUES: Columns = {
    "ID": "id",
    "Name": "name",
    "Concurrency Limit": "concurrency_limit",
    "State": state_of,
    "Priority": "priority",
    "Queued": "queued",
    "Running": "running",
    "Late": "late",
    "Agents": "agents",
    TIMED: "limit_until",
}
COMING: Columns = {
    "Scheduled Start Time": "scheduled_start_time",
    "Run ID": "run_id",
    "Name": "name",
    "Deployment ID": "deployment_id",
    "Deployment": "deployment",
    "State": lambda run: "Late" if run.late else run.state and run.state.capitalize(),
    "Why": "why",
}


@work_queue.command("create")
@click.argument("name", type=QUEUE)
@click.option("-l", "--limit", type=LIMIT, help="How many of its runs may execute at once; without it any number.")
@click.option("--priority", type=Whole(1, 1000), help="1 is served first.")
@click.option("--lease", type=LEASE, help="Seconds after which a silent agent loses a run of this queue.")
@click.option("--description", help="What it is for.")
def create(
    output: Output, name: str, limit: int | None, priority: int | None, lease: float | None, description: str | None
) -> None:
    """Create a work queue."""
    with client() as opened:
        made = opened.create_work_queue(
            name, limit=limit, priority=priority, lease_seconds=lease, description=description
        )
    output.done(made, f"Created work queue {made.name} ({limit_in_words(made.concurrency_limit)}), id {made.id}")


@work_queue.command("ls")
def ls(output: Output) -> None:
    """List the work queues. What waits and runs on each."""
    with client() as opened:
        found = opened.list_work_queues()
    timed = any(queue.limit_until for queue in found)
    columns = QUEUES if timed or not output.terminal else {name: QUEUES[name] for name in QUEUES if name != TIMED}
    output.rows(found, columns, empty="There are no work queues.", optional=("Priority", "Agents"))


@work_queue.command("inspect")
@click.argument("name", type=QUEUE, metavar="NAME")
def inspect(output: Output, name: str) -> None:
    """Show one work queue. Settings, holders of its slots, agents, changes."""
    with client() as opened:
        output.record(opened.get_work_queue(name))


@work_queue.command("slots")
@click.argument("name", type=QUEUE, metavar="NAME")
def slots(output: Output, name: str) -> None:
    """Show who holds the slots of a queue. On which host, since when, and how long each lease lasts."""
    with client() as opened:
        found = opened.work_queue_slots(name)
    if output.form != "text":
        output.json(found)
        return
    told = f"{found.name}: {slots_in_words(found)}."
    output.rows(found.holders, SLOTS, empty=told, optional=("State",))
    if found.holders:
        output.note(told)


@work_queue.command("preview")
@click.argument("name", type=QUEUE, metavar="NAME")
@click.option("--hours", type=Whole(1, HOURS_OF_A_YEAR), default=24, show_default=True, help="How far to look ahead.")
def preview(output: Output, name: str, hours: int) -> None:
    """Show the runs a queue will start. Those that wait, and those its schedules will make: ids and names are final."""
    from orchestrator.client.previews import MOST_ROWS

    with client() as opened:
        coming = opened.preview_work_queue(name, hours=float(hours))
    nothing = f"Nothing waits on {name} and nothing is scheduled for it in the next {hours} hours (see --hours)."
    output.rows(coming, COMING, empty=nothing, optional=("Deployment",))
    if len(coming) >= MOST_ROWS:
        output.note(f"These are the first {MOST_ROWS:,}; a smaller --hours shows all that are due by then.")


@work_queue.command("pause")
@click.argument("name", type=QUEUE, metavar="NAME")
def pause(output: Output, name: str) -> None:
    """Let no further run of a queue start. Running ones go on."""
    with client() as opened:
        queue = opened.pause_work_queue(name)
    output.done(queue, f"Paused work queue {queue.name}: {queue.running} running go on, {queue.queued} wait")


@work_queue.command("resume")
@click.argument("name", type=QUEUE, metavar="NAME")
def resume(output: Output, name: str) -> None:
    """Let runs of a paused queue start again."""
    with client() as opened:
        queue = opened.resume_work_queue(name)
    output.done(
        queue, f"Resumed work queue {queue.name}: {queue.queued} wait, {limit_in_words(queue.concurrency_limit)}"
    )


@work_queue.command("set-concurrency-limit")
@click.argument("name", type=QUEUE, metavar="NAME")
@click.argument("limit", type=LIMIT, metavar="LIMIT")
@click.option("--for", "lasts", type=Duration(1, YEAR), help="Only for so long, as in 2h; then it is what it was.")
def set_concurrency_limit(output: Output, name: str, limit: int, lasts: float | None) -> None:
    """Set how many runs may execute at once. Running ones are never stopped by it."""
    with client() as opened:
        queue = opened.set_concurrency_limit(name, limit, lasts_seconds=lasts)
        then = opened.get_work_queue(name).limit_then if queue.limit_until else None
        unattended = queue.limit_until and not opened.scheduler().leads
    ends = f"until {output.cell(queue.limit_until)}, then {limit_in_words(then)}; " if queue.limit_until else ""
    told = f"Work queue {queue.name}: at most {queue.concurrency_limit} at once, {ends}{queue.running} running now"
    output.done(queue, told)
    if unattended:
        output.note("Warning: no scheduler is running, which sets it back; `headgate scheduler start`")
    if lasts and not queue.limit_until:
        output.note(f"This is its limit anyway: nothing changes in {spoken(lasts)}.")


@work_queue.command("clear-concurrency-limit")
@click.argument("name", type=QUEUE, metavar="NAME")
def clear_concurrency_limit(output: Output, name: str) -> None:
    """Let any number of runs execute at once."""
    with client() as opened:
        queue = opened.clear_concurrency_limit(name)
    output.done(queue, f"Work queue {queue.name}: no limit, {queue.running} running now")


def limit_in_words(limit: int | None) -> str:
    """A concurrency limit as a person says it."""
    return "no limit" if limit is None else f"at most {limit} at once"


def slots_in_words(found: Any) -> str:
    """How many slots are taken and free."""
    if found.free is None:
        return f"{found.running} running, no limit"
    if found.running > found.concurrency_limit:
        return (
            f"{found.running} running under a limit of {found.concurrency_limit}: nothing starts before some have ended"
        )
    return f"{found.running} of {found.concurrency_limit} slots taken, {found.free} free"


work_queue.add_command(set_env)
work_queue.add_command(unset_env)
work_queue.add_command(clear)
work_queue.add_command(delete)
