"""`headgate concurrency-limit`: how many runs that carry a tag may execute at once, over all work queues."""

import click

from orchestrator.cli.access import client
from orchestrator.cli.confirm import DRY_RUN, YES, confirm
from orchestrator.cli.frame import group
from orchestrator.cli.output import Columns, Output, fields_of
from orchestrator.cli.run_rows import CHANGES, SLOTS
from orchestrator.cli.values import LIMIT, QUEUE

TAG = QUEUE
LIMITS: Columns = {"Tag": "tag", "Concurrency Limit": "concurrency_limit", "Running": "running", "Parked": "parked"}


@group("concurrency-limit", "How many runs that carry a tag may execute at once.")
def concurrency_limit() -> None:
    """The group itself does nothing."""


@concurrency_limit.command("create")
@click.argument("tag", type=TAG)
@click.argument("limit", type=LIMIT)
def create(output: Output, tag: str, limit: int) -> None:
    """Set the limit of a tag, anew or over the one before. Running runs are never stopped by it."""
    with client() as opened:
        made = opened.set_tag_limit(tag, limit)
    before = f" (was {made.before})" if made.status == "updated" else ""
    told = f"Tag {made.tag}: limit {made.status}, at most {made.concurrency_limit} at once{before}"
    output.done(made, f"{told}, {made.running} running now")


@concurrency_limit.command("ls")
def ls(output: Output) -> None:
    """List the limits of tags. What runs under each, and what is parked until a slot is free."""
    with client() as opened:
        found = opened.list_tag_limits()
    nothing = "No tag has a limit; `headgate concurrency-limit create TAG LIMIT` sets one."
    output.rows(found, LIMITS, empty=nothing)


@concurrency_limit.command("inspect")
@click.argument("tag", type=TAG)
def inspect(output: Output, tag: str) -> None:
    """Show the limit of one tag. Deployments that carry it, holders of its slots, changes."""
    with client() as opened:
        found = opened.get_tag_limit(tag)
    if output.form != "text":
        output.json(found)
        return
    output.record({name: value for name, value in fields_of(found).items() if name not in ("holders", "changes")})
    output.section("Holders", found.holders, SLOTS)
    output.section("Changes", found.changes, CHANGES)


@concurrency_limit.command("delete")
@click.argument("tag", type=TAG)
@DRY_RUN
@YES
def delete(output: Output, tag: str, dry_run: bool, yes: bool) -> None:
    """Let any number of runs that carry a tag execute at once. Asks before."""
    with client() as opened:
        gone = opened.delete_tag_limit(tag, dry_run=True)
        limit = f"the limit of tag {tag} (at most {gone.concurrency_limit} at once, {gone.parked} parked)"
        if not dry_run:
            confirm(f"Delete {limit}?", yes=yes)
            gone = opened.delete_tag_limit(tag)
    output.done(gone, f"{'Would delete' if dry_run else 'Deleted'} {limit}")
