"""The command `headgate`: one file per command group, loaded only when it is called."""

from orchestrator.cli.main import main

__all__ = ["main"]
