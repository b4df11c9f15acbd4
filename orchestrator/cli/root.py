"""The table of commands: where each stands, and the line that `headgate --help` prints for it."""

import os

import click

from orchestrator.cli.frame import LazyGroup
from orchestrator.cli.values import Reference

PARTS = {
    "start": ("orchestrator.cli.start:start", "Everything on one machine: Redis, scheduler, one agent."),
    "status": ("orchestrator.cli.status:status", "One screen: queues, agents, late runs, last failures."),
    "deployment": ("orchestrator.cli.deployment:deployment", "Flows with their schedules, parameters and work queue."),
    "flow": ("orchestrator.cli.flow:flow", "What there is to run: code, parameters, last runs."),
    "flow-run": ("orchestrator.cli.flow_run:flow_run", "Runs: list, follow, cancel, retry, explain."),
    "work-queue": ("queues.cli:work_queue", "Named queues on Redis, each with a concurrency limit."),
    "concurrency-limit": (
        "orchestrator.cli.concurrency_limit:concurrency_limit",
        "How many runs that carry a tag may execute at once.",
    ),
    "agent": ("agent.cli:agent", "The process that pulls runs and launches each."),
    "scheduler": ("orchestrator.cli.scheduler:scheduler", "The process that pushes due runs and frees lost ones."),
    "doctor": ("orchestrator.cli.doctor:doctor", "What is wrong with this installation, and what helps."),
    "config": ("orchestrator.cli.config:config", "Settings: what holds here, and where each is from."),
    "profile": ("orchestrator.cli.profile:profile", "Named sets of settings, for more than one installation."),
    "completion": (
        "orchestrator.cli.completion:completion",
        "The script by which a shell completes at a Tab.",
    ),
    "version": ("orchestrator.cli.version:version", "Versions, home folder and Redis of this installation."),
}


def print_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Prints the version and ends."""
    if asked:
        from orchestrator.cli.version import installed_version

        click.echo(f"headgate {installed_version()}")
        context.exit()


def choose_profile(_context: click.Context, _option: click.Parameter, name: str | None) -> None:
    """Chooses the profile for this command and whatever it starts."""
    if name is not None:
        os.environ["HEADGATE_PROFILE"] = name


PROFILE = click.Option(
    ["--profile"],
    type=Reference(),
    metavar="NAME",
    is_eager=True,
    expose_value=False,
    callback=choose_profile,
    help="Use the settings of this profile.",
)
VERSION = click.Option(
    ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Print the version."
)
headgate = LazyGroup(
    "headgate",
    parts=PARTS,
    params=[PROFILE, VERSION],
    no_args_is_help=True,
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    help="Runs Python flows on a fleet of machines, from named work queues with concurrency limits.",
    epilog="Redis is found through the setting redis_url (HEADGATE_REDIS_URL); without it an embedded one is used.",
)
