"""`headgate flow`: what there is to run, seen through the deployments that run it."""

import click

from orchestrator.cli.access import client
from orchestrator.cli.frame import group
from orchestrator.cli.output import Columns, Output, fields_of
from orchestrator.cli.values import Reference

FLOWS: Columns = {
    "Name": "name",
    "Deployments": lambda flow: [name.rpartition("/")[2] for name in flow.deployments],
    "Work Queues": "work_queues",
    "Next Start Time": "next_scheduled_time",
    "Last Run": "last_run_name",
    "Last State": "last_run_state",
    "Last Start Time": "last_run_time",
    "File": "paths",
}
RUNS: Columns = {
    "ID": "id",
    "Name": "name",
    "Deployment": "deployment",
    "State": "state_name",
    "Start Time": "start_time",
    "End Time": "end_time",
    "Why": "why",
}
DEPLOYMENTS: Columns = {
    "Name": "name",
    "Work Queue": "work_queue",
    "Schedule": "schedule",
    "Next Start Time": "next_scheduled_time",
    "State": lambda made: "paused" if made.paused else "ready",
    "Revision": "revision",
    "Code Version": "code_version",
}
LAST_RUN = ("last_run_id", "last_run_name", "last_run_state", "last_run_time")
SAID_BELOW = ("deployments", "deployment_details", "paths", "recent_runs", *LAST_RUN)
"""Fields of a flow that the tables below the first lines show."""


@group("flow", "What there is to run: code, parameters, last runs.")
def flow() -> None:
    """The group itself does nothing."""


@flow.command("ls")
def ls(output: Output) -> None:
    """List the flows that have a deployment."""
    with client() as opened:
        found = opened.list_flows()
    nothing = "There are no flows; `headgate deployment create FILE` makes deployments of those in a file."
    output.rows(found, FLOWS, empty=nothing, optional=("File", "Work Queues", "Last Run"))


@flow.command("inspect")
@click.argument("name", type=Reference(), metavar="FLOW")
def inspect(output: Output, name: str) -> None:
    """Show one flow. Where its code is, its parameters, its deployments, how its last runs went."""
    with client() as opened:
        found = opened.get_flow(name)
    if output.form != "text":
        output.json(found)
        return
    fields = {name: value for name, value in fields_of(found).items() if name not in SAID_BELOW}
    output.record(fields)
    output.section("Deployments", found.deployment_details, DEPLOYMENTS, ("Code Version", "Revision"))
    output.section("Recent runs", found.recent_runs, RUNS, ("End Time",))
