"""`headgate profile`: named sets of settings, for whoever works with more than one installation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.confirm import DRY_RUN, YES, confirm
from orchestrator.cli.frame import group
from orchestrator.cli.output import Columns, Output
from orchestrator.cli.values import QUEUE, Reference

if TYPE_CHECKING:
    from orchestrator.config import Profiles

PROFILES: Columns = {
    "Name": "name",
    "Active": "active",
    "Redis": lambda row: row["settings"].get("redis_url"),
    "Home": lambda row: row["settings"].get("home"),
    "Settings": lambda row: len(row["settings"]),
}


@group("profile", "Named sets of settings, for more than one installation.")
def profile() -> None:
    """The group itself does nothing."""


@profile.command("create")
@click.argument("name", type=QUEUE, metavar="NAME")
@click.option("--from", "source", type=Reference(), metavar="NAME", help="Begin with the settings of this profile.")
def create(output: Output, name: str, source: str | None) -> None:
    """Create a profile. `headgate --profile NAME config set …` puts settings into it."""
    profiles = own_profiles()
    profiles.create(name, profiles.settings(source) if source else {})
    output.done(shown(profiles, name), f"Created profile {name}; `headgate profile use {name}` puts it to use")


@profile.command("ls")
def ls(output: Output) -> None:
    """List the profiles."""
    profiles = own_profiles()
    output.rows([shown(profiles, name) for name in profiles.all()], PROFILES, empty="", optional=("Home",))


@profile.command("inspect")
@click.argument("name", type=Reference(), metavar="[NAME]", required=False)
def inspect(output: Output, name: str | None) -> None:
    """Show the settings of a profile. Without a name those of the one in use."""
    profiles = own_profiles()
    row = shown(profiles, name or profiles.active())
    if output.form != "text":
        output.json(row)
        return
    settings = [{"setting": setting, "value": value} for setting, value in row["settings"].items()]
    output.record({**row, "settings": settings})


@profile.command("use")
@click.argument("name", type=Reference(), metavar="NAME")
def use(output: Output, name: str) -> None:
    """Make a profile the one in use. HEADGATE_PROFILE and `headgate --profile NAME` choose another one for a while."""
    profiles = own_profiles()
    profiles.use(name)
    if profiles.wanted not in (None, name):
        output.note(f"Warning: HEADGATE_PROFILE chooses {profiles.wanted} here and wins over it")
    output.done(shown(profiles, name), f"Profile {name} is in use")


@profile.command("delete")
@click.argument("name", type=Reference(), metavar="NAME")
@YES
@DRY_RUN
def delete(output: Output, name: str, yes: bool, dry_run: bool) -> None:
    """Delete a profile with its settings. The one in use stays."""
    profiles = own_profiles()
    row = shown(profiles, name)
    profiles.refuse_delete(name)
    what = f"profile {name} ({', '.join(row['settings']) or 'empty'})"
    if dry_run:
        output.done(row, f"Would delete {what}")
        return
    confirm(f"Delete {what}?", yes=yes)
    profiles.delete(name)
    output.done(row, f"Deleted {what}")


@profile.command("rename")
@click.argument("name", type=Reference(), metavar="NAME")
@click.argument("to", type=QUEUE, metavar="NEW-NAME")
def rename(output: Output, name: str, to: str) -> None:
    """Give a profile another name."""
    profiles = own_profiles()
    profiles.rename(name, to)
    output.done(shown(profiles, to), f"Renamed profile {name} to {to}")


def own_profiles() -> Profiles:
    """The profiles of this user."""
    from orchestrator.config import Profiles

    return Profiles.of(os.environ)


def shown(profiles: Profiles, name: str) -> dict[str, Any]:
    """A profile as it is printed, without passwords."""
    from orchestrator.config.editing import visible
    from orchestrator.errors import NotFound

    settings = {setting: visible(setting, value) for setting, value in profiles.settings(name).items()}
    try:
        active = profiles.active() == name
    except NotFound:  # the one that is chosen is not there, which is what somebody may be about to mend
        active = False
    return {"name": name, "active": active, "file": str(profiles.path), "settings": settings}
