"""The places that settings come from, each a plain map from setting to text or value."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.config.files import read_toml
from orchestrator.errors import InvalidSettings, shown

PREFIX = "HEADGATE_"
PROFILE_VARIABLE = "HEADGATE_PROFILE"
MACHINE_FILE_VARIABLE = "HEADGATE_CONFIG_FILE"
MACHINE_FILE = Path("/etc/headgate/config.toml")
CHOICES = (PROFILE_VARIABLE, MACHINE_FILE_VARIABLE)
"""Variables that choose where settings are read, and are none themselves."""
# Marks that Headgate itself leaves in the environment of its processes; they are no settings.
MARKS = frozenset({"HEADGATE_KEEPER", "HEADGATE_AGENT", "HEADGATE_AGENT_OPTIONS", "HEADGATE_RUN_ID", "HEADGATE_SDK"})


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Settings from one place. `prefix` is what the place writes before a setting's name, in its own letters."""

    name: str
    values: Mapping[str, Any]
    prefix: str = ""

    def key(self, setting_name: str) -> str:
        """The setting as the place writes it."""
        written = not self.prefix or setting_name.startswith(self.prefix)
        return setting_name if written else f"{self.prefix}{setting_name.upper()}"

    def spelled(self, setting_name: str) -> str:
        """The setting as a message names it."""
        return self.key(setting_name) if self.prefix else f"{setting_name} in {self.name}"


def from_environment(environment: Mapping[str, str]) -> Layer:
    """The layer of the `HEADGATE_…` variables; one in small letters stays whole, and so is unknown."""
    found = {
        name.removeprefix(PREFIX).lower() if name.isupper() else name: value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in MARKS and name not in CHOICES
    }
    return Layer(name="the environment", values=found, prefix=PREFIX)


def from_machine(environment: Mapping[str, str]) -> Layer:
    """The layer of the machine's file; a missing one is empty, unless a variable names it."""
    chosen = environment.get(MACHINE_FILE_VARIABLE)
    path = Path(chosen or MACHINE_FILE)
    if chosen == os.devnull:
        return Layer(name=str(path), values={})
    try:
        return Layer(name=str(path), values=read_toml(path))
    except (FileNotFoundError, NotADirectoryError):
        if chosen is None:
            return Layer(name=str(path), values={})
        problem = f"expected {MACHINE_FILE_VARIABLE} to be a settings file, got {shown(chosen)}, which is not there"
        raise InvalidSettings([problem]) from None


def home_of_user(environment: Mapping[str, str]) -> Path:
    """`~/.headgate` of this user; absolute also where no home folder is known."""
    home = environment.get("HOME") or "~"
    return Path(home, ".headgate").expanduser().absolute()
