"""The table of commands: where each stands, and the line that `headgate --help` prints for it."""

import click

from orchestrator.cli.frame import LazyGroup

PARTS = {
    "start": ("orchestrator.cli.start:start", "Run everything on this machine: Redis, scheduler, one agent."),
    "deployment": ("orchestrator.cli.deployment:deployment", "Flows with their schedules, parameters and work queue."),
    "flow-run": ("orchestrator.cli.flow_run:flow_run", "Runs: list, follow, cancel, retry, explain."),
    "work-queue": ("queues.cli:work_queue", "Named queues on Redis, each with a concurrency limit."),
    "agent": ("agent.cli:agent", "The process that pulls runs and launches each in a subprocess."),
    "scheduler": ("orchestrator.cli.scheduler:scheduler", "The process that pushes due runs and frees lost ones."),
    "version": ("orchestrator.cli.version:version", "Versions, home folder and Redis of this installation."),
}


def print_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Prints the version and ends."""
    if asked:
        from orchestrator.cli.version import installed_version

        click.echo(f"headgate {installed_version()}")
        context.exit()


VERSION = click.Option(
    ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Print the version."
)
headgate = LazyGroup(
    "headgate",
    parts=PARTS,
    params=[VERSION],
    no_args_is_help=True,
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    help="Runs Python flows on a fleet of machines, from named work queues with concurrency limits.",
    epilog="Redis is found through HEADGATE_REDIS_URL; without it an embedded one under HEADGATE_HOME is used.",
)
