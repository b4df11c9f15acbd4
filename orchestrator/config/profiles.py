"""Profiles: named sets of settings in the user's own file, one of them in use.

`profiles.toml` stands in the home folder that the environment or the default names: a profile may name another home for
everything else. Its form is `active = "lab"` and a table `[profiles.lab]` for each. The profile `default` is always
there, and empty until something is set in it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

from orchestrator.config.files import locked, read_toml, replace_file, toml_text
from orchestrator.config.layers import PREFIX, PROFILE_VARIABLE, Layer, home_of_user
from orchestrator.config.values import as_path
from orchestrator.errors import InvalidSettings, NotFound, RefusedByState, did_you_mean, shown

DEFAULT = "default"
FILE = "profiles.toml"
HEADER = "# Written by `headgate config` and `headgate profile`; comments do not survive these.\n"


class Profiles:
    """The profiles of one file; `wanted` is the one that the environment chooses."""

    def __init__(self, path: Path, wanted: str | None = None) -> None:
        self.path = path
        self.wanted = wanted

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The profiles of the home folder that the environment, or the default, names."""
        environment = os.environ if environment is None else environment
        return cls(own_home(environment) / FILE, environment.get(PROFILE_VARIABLE))

    def all(self) -> dict[str, dict[str, Any]]:
        """Every profile with its settings as they are written, `default` among them."""
        return deepcopy(self._tables(self._read()))

    def active(self) -> str:
        """The profile in use; NotFound when there is none of that name."""
        document = self._read()
        name = self.wanted if self.wanted is not None else document.get("active", DEFAULT)
        chosen_by = f"--profile or {PROFILE_VARIABLE}" if self.wanted is not None else f"active in {self.path}"
        self._require(name, self._tables(document), f", which is chosen by {chosen_by}")
        return str(name)

    def layer(self, name: str) -> Layer:
        """The settings of a profile, as a place that settings come from."""
        return Layer(name=f"profile {name}", values=self.settings(name))

    def settings(self, name: str) -> dict[str, Any]:
        """The settings of one profile as they are written; NotFound when there is none of that name."""
        found = self.all()
        self._require(name, found)
        return found[name]

    def create(self, name: str, settings: Mapping[str, Any]) -> None:
        """Make a profile; RefusedByState when there is one of that name."""
        with self._changing() as tables:
            self._refuse_existing(name, tables)
            tables[name] = dict(settings)

    def use(self, name: str) -> None:
        """Make a profile the one in use where no option and no variable chooses another."""
        with locked(self.path):
            document = self._read()
            self._require(name, self._tables(document))
            self._write({**document, "active": name})

    def refuse_delete(self, name: str) -> None:
        """RefusedByState for a profile that can not be deleted: `default`, and the one in use."""
        document = self._read()
        self._require(name, self._tables(document))
        self._refuse_default(name, "deleted")
        if name in (document.get("active"), self.wanted):
            raise RefusedByState(f"profile {name} is in use", hint="`headgate profile use default` puts another to use")

    def delete(self, name: str) -> None:
        """Forget a profile with its settings; RefusedByState as `refuse_delete`."""
        with self._changing() as tables:
            self.refuse_delete(name)
            del tables[name]

    def rename(self, name: str, to: str) -> None:
        """Give a profile another name; it stays the one in use if it was. RefusedByState when the name is taken."""
        with locked(self.path):
            document = self._read()
            tables = self._tables(document)
            self._require(name, tables)
            self._refuse_default(name, "renamed")
            self._refuse_existing(to, tables)
            renamed = {to if one == name else one: settings for one, settings in tables.items()}
            active = {"active": to} if document.get("active") == name else {}
            self._write({**document, **active, "profiles": renamed})

    def set(self, name: str, setting: str, value: Any) -> Any:
        """Write one setting into a profile and answer what it held before."""
        with self._changing() as tables:
            self._require(name, tables)
            before = tables[name].get(setting)
            tables[name][setting] = value
        return before

    def unset(self, name: str, setting: str) -> Any:
        """Take one setting out of a profile and answer what it held before; None when it was not there."""
        if setting not in self.settings(name):
            return None
        with self._changing() as tables:
            return tables[name].pop(setting, None)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, Any]]]:
        """The tables of the file, written back at the end; two commands at a time take turns."""
        with locked(self.path):
            document = self._read()
            tables = deepcopy(self._tables(document))
            yield tables
            self._write({**document, "profiles": tables})

    def _read(self) -> dict[str, Any]:
        try:
            return read_toml(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def _tables(self, document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        tables = document.get("profiles", {})
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            raise InvalidSettings([f"expected profiles in {self.path} to be tables, as in [profiles.lab]"])
        return {DEFAULT: {}, **tables}

    def _write(self, document: Mapping[str, Any]) -> None:
        replace_file(self.path, f"{HEADER}\n{toml_text(document)}")

    def _require(self, name: Any, tables: Mapping[str, Any], which: str = "") -> None:
        if name not in tables:
            hint = did_you_mean(str(name), tables) or "`headgate profile ls` lists them"
            raise NotFound(f"there is no profile {shown(name)}{which}", field="NAME", hint=hint)

    def _refuse_existing(self, name: str, tables: Mapping[str, Any]) -> None:
        if name in tables:
            raise RefusedByState(f"there is a profile {name} already", hint=f"see `headgate profile inspect {name}`")

    def _refuse_default(self, name: str, done: str) -> None:
        if name == DEFAULT:
            hint = "`headgate config unset NAME` takes a setting out of it"
            raise RefusedByState(f"the profile {DEFAULT} is always there and can not be {done}", hint=hint)


def own_home(environment: Mapping[str, str]) -> Path:
    """The home folder that the environment names, or the default: the one that holds the profiles."""
    try:
        return as_path(environment.get(f"{PREFIX}HOME", "").strip() or home_of_user(environment))
    except ValueError:  # told with all other problems when the settings are loaded
        return home_of_user(environment)
