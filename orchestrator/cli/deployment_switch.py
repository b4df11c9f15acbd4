"""`headgate deployment pause`, `resume` and `set-work-queue`: what operators change without the deployment's file."""

import click

from orchestrator.cli.access import client
from orchestrator.cli.deployment_run import say_what_is_missing
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Output
from orchestrator.cli.values import QUEUE, Reference
from orchestrator.errors import command


@click.command("pause", cls=Command)
@click.argument("name", type=Reference(), metavar="FLOW/NAME")
def pause(output: Output, name: str) -> None:
    """Let the schedules of a deployment make no runs. Runs that wait go on; it can still be run by hand."""
    with client() as opened:
        found = opened.pause_deployment(name)
    told = f"Paused {found.name}" if found.changed else f"{found.name} is paused already"
    output.done(found, f"{told}: its schedules make no runs until `{command('deployment', 'resume', found.name)}`")
    if found.waiting_runs:
        every = command("flow-run", "ls", "--deployment", found.name)
        output.note(f"{those_that_wait(found.waiting_runs)}: `{every}` lists all")


@click.command("resume", cls=Command)
@click.argument("name", type=Reference(), metavar="FLOW/NAME")
def resume(output: Output, name: str) -> None:
    """Let the schedules of a paused deployment go on. From now: what they missed makes no runs, and is recorded."""
    with client() as opened:
        found = opened.resume_deployment(name)
    told = f"Resumed {found.name}" if found.changed else f"{found.name} is not paused"
    missed = f"; {found.skipped_instants:,} missed instants make no runs" if found.skipped_instants else ""
    coming = found.next_scheduled_time
    output.done(found, f"{told}; {f'next {output.cell(coming)}' if coming else 'nothing is scheduled'}{missed}")


@click.command("set-work-queue", cls=Command)
@click.argument("name", type=Reference(), metavar="FLOW/NAME")
@click.argument("queue", type=QUEUE, metavar="QUEUE")
@click.option("--waiting", is_flag=True, help="Move the runs that wait already, too.")
def set_work_queue(output: Output, name: str, queue: str, waiting: bool) -> None:
    """Send the runs of a deployment to another work queue. Until it is created again from a file that names another."""
    with client() as opened:
        found = opened.set_work_queue(name, queue, waiting=waiting)
        was = f"from now on (was {found.previous_work_queue}, revision {found.revision})"
        told = f"{found.name} goes to work queue {found.work_queue} {was if found.changed else 'already'}"
        along = f"; moved {runs(found.moved_runs)}" if waiting else ""
        output.done(found, told + along)
        if found.waiting_elsewhere:
            more = "again with --waiting moves them" if not waiting else "they were made meanwhile: do it again"
            output.note(f"{runs(found.waiting_elsewhere)} on another work queue; {more}")
        if found.changed:
            output.note("Its file may still name the other one: `headgate deployment create` goes by the file")
        say_what_is_missing(output, opened, found.work_queue)


def runs(count: int) -> str:
    """How many waiting runs."""
    return "1 waiting run" if count == 1 else f"{count:,} waiting runs"


def those_that_wait(count: int) -> str:
    """What a pause does not touch."""
    return "1 run waits already and goes on" if count == 1 else f"{count:,} runs wait already and go on"
