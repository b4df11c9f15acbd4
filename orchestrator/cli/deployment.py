"""`headgate deployment`: create from a Python file, list, look into, delete; the other verbs stand in files beside."""

from operator import itemgetter
from typing import Any

import click

from orchestrator.cli.access import client
from orchestrator.cli.code_text import code_text
from orchestrator.cli.confirm import DRY_RUN, YES, confirm
from orchestrator.cli.deployment_preview import preview
from orchestrator.cli.deployment_run import run
from orchestrator.cli.deployment_switch import pause, resume, set_work_queue
from orchestrator.cli.frame import group
from orchestrator.cli.output import Columns, Output, fields_of
from orchestrator.cli.values import QUEUE, Duration, Reference
from orchestrator.errors import command

DEPLOYMENTS: Columns = {
    "ID": "id",
    "Name": "name",
    "Work Queue": "work_queue",
    "Schedule": lambda made: "; ".join(schedule.text for schedule in made.schedules) or None,
    "Next Start Time": "next_scheduled_time",
    "State": lambda made: "paused" if made.paused else "ready",
    "Concurrency Limit": "concurrency_limit",
    "Tags": "tags",
    "Revision": "revision",
}


@group("deployment", "Flows with their schedules, parameters and work queue.")
def deployment() -> None:
    """The group itself does nothing."""


@deployment.command("create")
@click.argument("file", type=click.Path())
@click.option("--create-queues", is_flag=True, help="Make work queues that do not exist yet.")
@click.option("--check", "checked", is_flag=True, help="Import each flow first, from a copy of the code that runs get.")
@click.option("--timeout", type=Duration(1, 3600), default=30.0, help="How long loading the file may take (30 s).")
def create(output: Output, file: str, create_queues: bool, checked: bool, timeout: float) -> None:
    """Create or update what a Python file declares. All of its deployments, or none when one is refused."""
    from orchestrator.cli.deployment_code import checker, noted
    from orchestrator.deploy_file import load

    loaded = load(file, seconds=timeout)
    for warning in loaded.warnings:
        output.note(f"Warning: {warning}")
    with client() as opened:
        check = checker(output, timeout) if checked else None
        made = opened.create_from_specs(loaded.specs, create_queues=create_queues, check=check)
    noted(output, made)
    if output.form == "text":
        for one in made:
            describe(output, one)
    else:
        keys = ("id", "name", "status", "code_version")
        output.rows([{key: getattr(one, key) for key in keys} for one in made], {}, empty="")
    for queue, requires in dict.fromkeys((one.work_queue, one.requires) for one in made if not one.listening_agents):
        start = " ".join([f"headgate agent start -q {queue}", *(f"--label {label}" for label in requires)])
        having = f" with label{'s' * (len(requires) > 1)} {', '.join(requires)}" if requires else ""
        output.note(f"Warning: no agent{having} listens to work queue {queue}; start one with `{start}`")


def describe(output: Output, made: Any) -> None:
    """Prints one created deployment for people: what happens with it next, and where."""
    changed = f": {', '.join(made.changes)}" if made.status == "updated" and made.changes else ""
    output.line(f"{output.painted(made.status)} {output.bold(made.name)} (revision {made.revision}{changed})")
    limit = "no limit" if made.work_queue_limit is None else f"at most {made.work_queue_limit} at once"
    remarks = [limit, *["just created"] * made.work_queue_created, *["paused"] * made.work_queue_paused]
    is_paused = any(not schedule.active for schedule in made.schedules if schedule.kind != "unreadable")
    facts = {
        "id": made.id,
        "work queue": f"{made.work_queue} ({', '.join(remarks)})",
        "own limit": made.concurrency_limit and f"at most {made.concurrency_limit} at once",
        "requires": requires_text(made.requires),
        "agents": ", ".join(made.listening_agents) or "none listens",
        "schedule": "; ".join(schedule.text for schedule in made.schedules) or "none: it runs when asked to",
        "paused": is_paused and f"its schedules make no runs until `{command('deployment', 'resume', made.name)}`",
        "next": ", ".join(output.cell(moment) for moment in made.next_scheduled_times),
        "code": code_text(made.source, made.code),
        "code version": made.code_version,
        "on lost": f"rerun, at most {made.max_lost} times" if made.on_lost == "rerun" else made.on_lost,
    }
    for name, value in facts.items():
        if value:
            output.line(f"  {name:<13} {output.cell(value)}")


def requires_text(requires: tuple[str, ...]) -> str:
    """Which agents may run it."""
    return f"an agent with {', '.join(requires)}" if requires else ""


@deployment.command("ls")
@click.option("-q", "--queue", type=QUEUE, help="Only those of this work queue.")
def ls(output: Output, queue: str | None) -> None:
    """List the deployments with their next start."""
    with client() as opened:
        found = opened.list_deployments(work_queue=queue)
    nothing = "There are no deployments; make some with `headgate deployment create FILE`."
    output.rows(found, DEPLOYMENTS, empty=nothing, optional=("Revision", "Concurrency Limit", "Tags"))


@deployment.command("inspect")
@click.argument("name", type=Reference(), metavar="FLOW/NAME")
def inspect(output: Output, name: str) -> None:
    """Show one deployment. Code, parameters, schedules, policy, skipped instants, changes."""
    with client() as opened:
        found = opened.get_deployment(name)
    if output.form != "text":
        output.json(found)
        return
    fields = dict(fields_of(found))
    schema = fields.pop("parameter_schema")
    fields["source"] = code_text(found.source)
    rows = [[one.get(key) for key in ("name", "type", "required", "default")] for one in schema.get("parameters") or ()]
    output.record(fields)
    columns = {title: itemgetter(at) for at, title in enumerate(("Name", "Type", "Required", "Default"))}
    output.section("Parameters of the flow", rows, columns)


@deployment.command("delete")
@click.argument("name", type=Reference(), metavar="FLOW/NAME")
@DRY_RUN
@YES
def delete(output: Output, name: str, dry_run: bool, yes: bool) -> None:
    """Delete a deployment. Waiting runs are cancelled, running ones go on, ended ones stay listed."""
    with client() as opened:
        found = opened.delete_deployment(name, dry_run=True)
        if dry_run:
            output.done(found, f"Would delete deployment {found.name}{and_cancel(found.cancelled_runs)}")
            return
        confirm(f"Delete deployment {found.name}{and_cancel(found.cancelled_runs)}?", yes=yes)
        gone = opened.delete_deployment(found.id)
    output.done(gone, f"Deleted deployment {gone.name}{and_cancel(gone.cancelled_runs, 'cancelled')}")


def and_cancel(count: int, verb: str = "cancel") -> str:
    """What else a deletion does, or did."""
    return f" and {verb} {count:,} waiting run{'s' * (count != 1)}" if count else ""


for verb in (run, preview, pause, resume, set_work_queue):
    deployment.add_command(verb)
