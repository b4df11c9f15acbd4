"""Asking before something is destroyed: a question on a terminal, a refusal where nobody can answer."""

import sys

import click

from orchestrator.cli.failures import CommandError
from orchestrator.cli.output import VISIBLE

YES = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")


def confirm(question: str, *, yes: bool) -> None:
    """Returns only when the answer is yes; `Delete 12 flow runs?` is asked as `Delete 12 flow runs? [y/N]` on stderr.

    `yes` asks nothing. Raises CommandError: exit code 2 where nobody can be asked, 1 when the answer is anything else.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        text = f"{question.rstrip('?')}: nobody can be asked here, so nothing was changed"
        raise CommandError(text, exit_code=2, code="not-confirmed", hint="--yes does it, --dry-run shows it")
    print(f"{question.translate(VISIBLE)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("not confirmed; nothing was changed", code="not-confirmed")
