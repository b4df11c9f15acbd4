"""The settings of every process: read once at its start, checked together, frozen.

A value comes from the first of: an option of the command, a `HEADGATE_…` variable, the profile, the file of the
machine. Layers are plain maps from setting to text or value, so that whoever reads a file only has to hand it over.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from orchestrator.errors import InvalidSettings, did_you_mean, shown

PREFIX = "HEADGATE_"
# Marks that Headgate itself leaves in the environment of its processes; they are no settings.
MARKS = frozenset({"HEADGATE_KEEPER", "HEADGATE_AGENT", "HEADGATE_AGENT_OPTIONS", "HEADGATE_RUN_ID"})
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
HASH_TAG = re.compile(r"[A-Za-z0-9:._-]{0,40}\{[A-Za-z0-9._-]{1,40}\}[A-Za-z0-9:._-]{0,40}", re.ASCII)
SECRET = re.compile(r"://[^\s'\"]*@")
SECRET_OPTION = re.compile(r"([?&]\w*password=)[^&\s'\"]*")
DAY = 86_400.0


def about(says: str, low: float = 0.0, high: float = math.inf) -> dict[str, Any]:
    """What is known of a setting beside its default: a sentence for `config view`, the range of a number."""
    return {"says": says, "low": low, "high": high}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be set, with defaults. Durations are seconds unless the name says otherwise."""

    home: Path = field(
        default=Path("~/.headgate"), metadata=about("folder of the embedded Redis and of what agents keep on disk")
    )
    redis_url: str | None = field(
        default=None, repr=False, metadata=about("where Redis is; without it an embedded one is used")
    )
    prefix: str = field(
        default="{headgate}", metadata=about("name of the installation: what all its keys in Redis begin with")
    )
    installation: str | None = field(
        default=None, metadata=about("id of the installation that Redis must hold; without it any is taken")
    )
    durability: str = field(
        default="normal",
        metadata=about("strict: only a Redis that has everything on disk before it answers (appendfsync always)"),
    )
    lease_seconds: float = field(default=30.0, metadata=about("how long a slot is held without renewal", 0.5, DAY))
    renew_seconds: float = field(default=5.0, metadata=about("how often leases are renewed", 0.05, DAY))
    grace_seconds: float = field(default=2.0, metadata=about("how long after its lease a slot is given away", 0.0, DAY))
    start_timeout_seconds: float = field(
        default=60.0, metadata=about("how long a claimed run may take to start", 1.0, DAY)
    )
    drain_seconds: float | None = field(
        default=None, metadata=about("how long a draining agent lets its runs go on", 0.0, 30 * DAY)
    )
    kill_seconds: float = field(default=5.0, metadata=about("how long a run may take to end after SIGTERM", 0.0, 600.0))
    outage_seconds: float = field(
        default=120.0, metadata=about("how long an agent keeps its runs while Redis is away", 0.0, DAY)
    )
    late_seconds: float = field(
        default=15.0, metadata=about("how long after its due time an unclaimed run is called late", 0.0, DAY)
    )
    run_retention_days: float = field(default=30.0, metadata=about("how long ended runs are kept", 0.01, 3660.0))
    log_retention_days: float = field(default=7.0, metadata=about("how long logs are kept", 0.01, 3660.0))
    spool_mb: float = field(
        default=1024.0, metadata=about("MB of disk for lines of an agent's runs; 0: they are held in memory", 0.0, 1e7)
    )
    rq_commands: bool = field(default=True, metadata=about("whether agents obey rq's shutdown and stop-job"))

    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Setting -> where its value came from; a setting that is not here has its default."""
    warnings: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """What was read and not understood, one sentence each."""

    @classmethod
    def load(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        layers: Sequence["Layer"] = (),
    ) -> Self:
        """Read options, then the environment (this process's own by default), then the layers, strongest first.

        Raises InvalidSettings with every problem at once.
        """
        environment = os.environ if environment is None else environment
        chosen = Layer(name="the command's options", values=options or {})
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        problems: list[str] = []
        warnings: list[str] = []
        for layer in (chosen, from_environment(environment), *layers):
            warnings += unknown_names(layer)
            for name, raw in layer.values.items():
                if name in SETTINGS and name not in sources:
                    sources[name] = layer.spelled(name)
                    values |= read(name, raw, sources[name], problems)
        values.setdefault("home", default_home(environment))
        broken = {name for name in sources if name not in values}
        settings = cls(**values, sources=sources, warnings=tuple(warnings))
        problems += [problem for names, problem in relations(settings) if not broken.intersection(names)]
        if problems:
            raise InvalidSettings(problems)
        return settings

    @property
    def strict(self) -> bool:
        """Whether what Redis acknowledged has to be on its disk by then."""
        return self.durability == "strict"

    @property
    def redis_address(self) -> str | None:
        """The Redis URL without user name and password, for people to read."""
        return self.redis_url and SECRET_OPTION.sub(r"\1***", SECRET.sub("://***@", self.redis_url))


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Settings from one place. `prefix` is what the place writes before a setting's name, in its own letters."""

    name: str
    values: Mapping[str, Any]
    prefix: str = ""

    def spelled(self, setting_name: str) -> str:
        """The setting as the place spells it."""
        return f"{self.prefix}{setting_name.upper()}" if self.prefix else f"{setting_name} in {self.name}"


SETTINGS = {item.name: item for item in fields(Settings) if "says" in item.metadata}


def from_environment(environment: Mapping[str, str]) -> Layer:
    """The layer of the `HEADGATE_…` variables."""
    found = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and name not in MARKS
    }
    return Layer(name="the environment", values=found, prefix=PREFIX)


def unknown_names(layer: Layer) -> list[str]:
    """A sentence for each name that is no setting, with the nearest that is."""
    spelled = [layer.spelled(name) for name in SETTINGS]
    found = [layer.spelled(name) for name in layer.values if name not in SETTINGS]
    return [
        f"{name} is no setting and has no effect; {did_you_mean(name, spelled) or 'it may belong to another version'}"
        for name in sorted(found)
    ]


def default_home(environment: Mapping[str, str]) -> Path:
    """`~/.headgate` of this user; absolute also where no home folder is known."""
    home = environment.get("HOME") or "~"
    return Path(home, ".headgate").expanduser().absolute()


def read(name: str, raw: Any, spelled: str, problems: list[str]) -> dict[str, Any]:
    """The setting with its value as its type; what is wrong with it is added to the problems."""
    try:
        return {name: parsed(name, raw)}
    except ValueError as error:
        # Whatever stands where the address of Redis belongs may hold a password.
        found = "something else" if name == "redis_url" else shown(raw)
        problems.append(f"expected {spelled} to be {error}, got {found}")
        return {}


def parsed(name: str, raw: Any) -> Any:
    """A value as its type; raises ValueError with what is allowed."""
    if isinstance(raw, str) and not raw.strip():
        raise ValueError("set to something or not set at all")
    if name == "rq_commands":
        return as_switch(raw)
    if name == "home":
        return as_folder(raw)
    if name == "prefix":
        return as_prefix(raw)
    if name == "redis_url":
        return as_url(raw)
    if name == "installation":
        return as_installation(raw)
    if name == "durability":
        return as_durability(raw)
    return as_number(raw, SETTINGS[name].metadata["low"], SETTINGS[name].metadata["high"])


def as_switch(raw: Any) -> bool:
    """1 or 0, and the usual words for them."""
    word = str(raw).strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise ValueError("0 or 1")


def as_number(raw: Any, low: float, high: float) -> float:
    """A finite number in a range."""
    try:
        number = math.nan if isinstance(raw, bool) else float(raw)
    except (TypeError, ValueError):
        number = math.nan
    if math.isfinite(number) and low <= number <= high and "_" not in str(raw):
        return number
    raise ValueError(f"a number from {low:g} to {high:g}" if math.isfinite(high) else f"a number, {low:g} or more")


def as_folder(raw: Any) -> Path:
    """An absolute path; `~` is the user's home."""
    if "\0" in str(raw):
        raise ValueError("a path without NUL")
    try:
        return Path(str(raw)).expanduser().absolute()
    except RuntimeError:
        raise ValueError("a path whose user exists") from None


def as_prefix(raw: Any) -> str:
    """A key prefix with one hash tag, so that all keys of an installation share a slot."""
    if isinstance(raw, str) and HASH_TAG.fullmatch(raw):
        return raw
    raise ValueError("letters, digits and : . _ - with one part in braces, as in {headgate}")


def as_installation(raw: Any) -> str:
    """An id as `headgate version` prints it."""
    if isinstance(raw, str) and re.fullmatch(r"[0-9a-f]{16}", raw.strip()):
        return raw.strip()
    raise ValueError("16 letters and digits, as `headgate version` prints them")


def as_durability(raw: Any) -> str:
    """How much an answer of Redis has to promise."""
    word = str(raw).strip().lower()
    if word in ("normal", "strict"):
        return word
    raise ValueError("normal or strict")


def as_url(raw: Any) -> str:
    """An address with a scheme; the rest is read where the connection is made."""
    if isinstance(raw, str) and raw.isprintable() and re.match(r"(rediss?|unix|redis\+sentinel)://\S", raw.strip()):
        return raw.strip()
    raise ValueError("an address that begins with redis://, rediss://, unix:// or redis+sentinel://")


def relations(settings: Settings) -> list[tuple[tuple[str, str], str]]:
    """What does not go together: the two settings, and the sentence about them."""
    problems = []
    if settings.lease_seconds <= 2 * settings.renew_seconds:
        problem = (
            f"expected HEADGATE_LEASE_SECONDS to be more than twice HEADGATE_RENEW_SECONDS, "
            f"got {settings.lease_seconds:g} and {settings.renew_seconds:g}: one lost renewal would lose every run"
        )
        problems.append((("lease_seconds", "renew_seconds"), problem))
    if settings.log_retention_days > settings.run_retention_days:
        problem = (
            f"expected HEADGATE_LOG_RETENTION_DAYS to be at most HEADGATE_RUN_RETENTION_DAYS, "
            f"got {settings.log_retention_days:g} and {settings.run_retention_days:g}: logs go with their run"
        )
        problems.append((("log_retention_days", "run_retention_days"), problem))
    return problems
