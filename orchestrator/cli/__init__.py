"""The command `headgate`: one file per command group, loaded only when it is called."""

import sys

# Before anything is imported that an older Python can not read.
if sys.version_info < (3, 11):  # noqa: UP036
    found = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        f"Error: Headgate needs Python 3.11 or newer, and {sys.executable} is {found}; "
        "make an environment with a newer one: `python3.11 -m venv .venv`"
    )

from orchestrator.cli.main import main

__all__ = ["main"]
