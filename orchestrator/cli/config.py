"""`headgate config`: what holds here and why, and the settings of the profile in use."""

from __future__ import annotations

import sys

import click

from orchestrator.cli.access import settings
from orchestrator.cli.failures import CommandError
from orchestrator.cli.frame import group
from orchestrator.cli.output import Columns, Output
from orchestrator.cli.values import Reference

ROWS: Columns = {"Setting": "name", "Value": "value", "Origin": "origin", "What It Is": "says"}
LONGEST_VALUE = 64 * 1024


@group("config", "Settings: what holds here, and where each is from.")
def config() -> None:
    """The group itself does nothing."""


@config.command("view")
def view(output: Output) -> None:
    """Show every setting and where its value comes from.

    The first that says something wins: a HEADGATE_… variable, the profile in use, /etc/headgate/config.toml
    (HEADGATE_CONFIG_FILE names another file), the default. Passwords are masked.
    """
    from orchestrator.config import Profiles
    from orchestrator.config.editing import rows

    chosen = settings()
    output.rows(rows(chosen), ROWS, empty="", optional=("What It Is",))
    if output.form == "text":
        output.note(f"The profile in use is {chosen.profile}, of {Profiles.of().path}")


@config.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("name", type=Reference(), metavar="NAME")
@click.argument("value", metavar="VALUE")
def set_value(output: Output, name: str, value: str) -> None:
    """Set one setting in the profile in use. `-` reads the value from standard input, as secrets must be."""
    from orchestrator.config.editing import change, is_secret, named

    setting = named(name)
    if value == "-":
        value = value_from_input(setting)
    elif is_secret(setting, value):
        raise CommandError(
            "a password on the command line can be seen by everybody on this machine; nothing was changed",
            exit_code=2,
            code="invalid",
            field="VALUE",
            hint=f"`headgate config set {setting} -` reads it from standard input; redis_password_file names a file",
        )
    done = change(setting, value)
    warn_of_variable(output, done.overridden_by)
    was = "" if done.before is None else f"; it was {output.cell(done.before)}"
    output.done(done, f"Set {done.name} to {output.cell(done.value)} in profile {done.profile}{was}")


@config.command("unset")
@click.argument("name", type=Reference(), metavar="NAME")
def unset_value(output: Output, name: str) -> None:
    """Take one setting out of the profile in use. What comes after it holds again."""
    from orchestrator.config.editing import named, unset

    done = unset(named(name))
    warn_of_variable(output, done.overridden_by)
    if done.before is None:
        output.done(done, f"{done.name} is not set in profile {done.profile}; nothing was changed")
    else:
        output.done(done, f"Unset {done.name} in profile {done.profile}; it was {output.cell(done.before)}")


def value_from_input(setting: str) -> str:
    """One line from standard input; unseen where a person types it."""
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass(f"{setting}: ", sys.stderr)
    value = sys.stdin.readline(LONGEST_VALUE).rstrip("\r\n")
    if not value:
        raise CommandError(
            "expected one line on standard input, got nothing", exit_code=2, code="invalid", field="VALUE"
        )
    return value


def warn_of_variable(output: Output, variable: str | None) -> None:
    """Says that a variable of this environment wins over what was changed."""
    if variable is not None:
        output.note(f"Warning: {variable} is set in this environment and wins over the profile")
