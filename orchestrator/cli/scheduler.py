"""`headgate scheduler`: the process that pushes due runs, frees expired leases and trims history."""

from orchestrator.cli.access import settings_of_role
from orchestrator.cli.frame import group


@group("scheduler", "The process that pushes due runs and frees lost ones.")
def scheduler() -> None:
    """The group itself does nothing."""


@scheduler.command("start", shows=False)
def start() -> None:
    """Run a scheduler in the foreground. Several may run: one works, the others stand by."""
    from orchestrator.scheduler.process import main

    main(settings_of_role())
