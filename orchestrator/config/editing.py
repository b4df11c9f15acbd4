"""Changing settings by hand: checked before anything is written, in the profile that is in use."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.config.layers import PREFIX, Layer, from_machine
from orchestrator.config.profiles import Profiles
from orchestrator.config.settings import SETTINGS, Settings, parse
from orchestrator.config.values import has_password, without_secrets
from orchestrator.errors import Invalid, InvalidSettings, expected, nearest, shown


class Told:
    """What commands print: its fields are the keys of its JSON."""

    def to_json(self) -> dict[str, Any]:
        """The fields, as JSON has them."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Row(Told):
    """One setting: its value (passwords masked), where that comes from, what it would be otherwise, what it is."""

    name: str
    value: Any
    origin: str
    default: Any
    says: str


@dataclass(frozen=True, kw_only=True)
class Edit(Told):
    """What was changed in a profile, passwords masked; `overridden_by` names the variable that wins over it here."""

    name: str
    value: Any
    before: Any
    profile: str
    file: str
    overridden_by: str | None


def rows(settings: Settings) -> list[Row]:
    """Every setting with its value and its origin."""
    return [
        Row(
            name=name,
            value=visible(name, getattr(settings, name)),
            origin=settings.sources.get(name, "default").removeprefix(f"{name} in "),
            default=visible(name, item.default),
            says=item.metadata["says"],
        )
        for name, item in SETTINGS.items()
    ]


def named(word: str) -> str:
    """The setting that a person means, in any letters and with or without HEADGATE_; Invalid when there is none."""
    name = word.strip().lower().replace("-", "_").removeprefix(PREFIX.lower())
    if name in SETTINGS:
        return name
    near = nearest(name, SETTINGS)
    hint = f"did you mean {near!r}?" if near else "`headgate config view` lists them"
    raise Invalid(f"there is no setting {shown(word)}", field="NAME", hint=hint)


def change(name: str, raw: Any, environment: Mapping[str, str] | None = None) -> Edit:
    """Write a setting into the profile in use; Invalid, and nothing written, for a value that can not be used there.

    Raises OSError when the file can not be written; it is as it was then.
    """
    environment = os.environ if environment is None else environment
    profiles = Profiles.of(environment)
    profile = profiles.active()
    try:
        value = stored(parse(name, raw))
    except ValueError as error:
        found = "something else" if name == "redis_url" else raw
        raise Invalid(expected(name, str(error), found), field="VALUE") from error
    written = profiles.settings(profile)
    refuse_new_problems(environment, profile, written, {**written, name: value})
    before = profiles.set(profile, name, value)
    return edited(profiles, profile, name, value, before, environment)


def unset(name: str, environment: Mapping[str, str] | None = None) -> Edit:
    """Take a setting out of the profile in use; one that is not there changes nothing."""
    environment = os.environ if environment is None else environment
    profiles = Profiles.of(environment)
    profile = profiles.active()
    written = profiles.settings(profile)
    left = {key: value for key, value in written.items() if key != name}
    refuse_new_problems(environment, profile, written, left)
    return edited(profiles, profile, name, None, profiles.unset(profile, name), environment)


def refuse_new_problems(
    environment: Mapping[str, str], profile: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """InvalidSettings for what a change would break; what is broken already must not keep anybody from mending it."""
    known = problems(environment, profile, before)
    new = [problem for problem in problems(environment, profile, after) if problem not in known]
    if new:
        raise InvalidSettings(new)


def problems(environment: Mapping[str, str], profile: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """What would be wrong with the settings if the profile held these."""
    try:
        layers = (Layer(name=f"profile {profile}", values=values), from_machine(environment))
        Settings.load(environment, layers=layers)
    except InvalidSettings as error:
        return error.problems
    return ()


def edited(
    profiles: Profiles, profile: str, name: str, value: Any, before: Any, environment: Mapping[str, str]
) -> Edit:
    """What is told of a change."""
    variable = f"{PREFIX}{name.upper()}"
    return Edit(
        name=name,
        value=visible(name, value),
        before=visible(name, before),
        profile=profile,
        file=str(profiles.path),
        overridden_by=variable if variable in environment else None,
    )


def stored(value: Any) -> Any:
    """A value as a settings file holds it."""
    return str(value) if isinstance(value, Path) else value


def visible(name: str, value: Any) -> Any:
    """A value as people and programs may see it."""
    return without_secrets(str(value)) if name == "redis_url" and value else stored(value)


def is_secret(name: str, value: str) -> bool:
    """Whether a value holds a password, which a command line shows to everybody on the machine."""
    return name == "redis_url" and has_password(value)
