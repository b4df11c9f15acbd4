"""What can be set, how it is loaded from all places at once, and what does not go together."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from orchestrator.config.files import read_password
from orchestrator.config.layers import CHOICES, PREFIX, Layer, from_environment, from_machine, home_of_user
from orchestrator.config.profiles import DEFAULT, Profiles
from orchestrator.config.values import has_password, parsed, with_password, without_secrets
from orchestrator.errors import InvalidSettings, nearest, shown

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
    redis_password_file: Path | None = field(
        default=None, metadata=about("file that holds the password of Redis, for an address without one")
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
    code_cache_mb: float = field(
        default=2048.0, metadata=about("MB of disk for code that agents fetched; what runs is never removed", 1.0, 1e7)
    )
    environment_seconds: float = field(
        default=1800.0, metadata=about("how long building an environment for requirements may take", 1.0, DAY)
    )
    environment_cache_mb: float = field(
        default=10240.0, metadata=about("MB of disk for environments; of unused ones the oldest go", 0.0, 1e8)
    )
    rq_commands: bool = field(default=True, metadata=about("whether agents obey rq's shutdown and stop-job"))

    profile: str = field(default=DEFAULT, compare=False)
    """The profile that was in use."""
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
        layers: Sequence[Layer] | None = None,
    ) -> Self:
        """Read options, then the environment (this process's own by default), then the layers, strongest first.

        Layers are by default the profile in use and the file of the machine. Raises InvalidSettings with every problem
        at once, NotFound for a profile that is not there, and OSError for a file that can not be read.
        """
        environment = os.environ if environment is None else environment
        profile = DEFAULT
        if layers is None:
            profiles = Profiles.of(environment)
            profile = profiles.active()
            layers = (profiles.layer(profile), from_machine(environment))
        chosen = Layer(name="the command's options", values=options or {})
        return cls._from((chosen, from_environment(environment), *layers), home_of_user(environment), profile)

    @classmethod
    def _from(cls, layers: Sequence[Layer], home: Path, profile: str) -> Self:
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        problems: list[str] = []
        warnings: list[str] = []
        for layer in layers:
            warnings += unknown_names(layer)
            for name, raw in layer.values.items():
                if name in SETTINGS and name not in sources:
                    sources[name] = layer.spelled(name)
                    values |= read(name, raw, sources[name], problems)
        values.setdefault("home", home)
        broken = {name for name in sources if name not in values}
        settings = cls(**values, profile=profile, sources=sources, warnings=tuple(warnings))
        problems += [problem for names, problem in relations(settings) if not broken.intersection(names)]
        if not problems and settings.redis_password_file:
            settings = settings._logged_in(problems)
        if problems:
            raise InvalidSettings(problems)
        return settings

    def spelled(self, name: str) -> str:
        """A setting as a message names it: as it stands where it was set, or as a variable."""
        return self.sources.get(name, f"{PREFIX}{name.upper()}")

    def _logged_in(self, problems: list[str]) -> Self:
        """The settings with the password of its file in the address; what is wrong with the file joins the problems."""
        path, url = self.redis_password_file, self.redis_url
        assert path is not None and url is not None
        try:
            return replace(self, redis_url=with_password(url, read_password(path)))
        except ValueError as error:
            what = "a file that holds the password of Redis in one line"
            problems.append(f"expected {self.spelled('redis_password_file')} to be {what}, got {path}: {error}")
            return self

    @property
    def strict(self) -> bool:
        """Whether what Redis acknowledged has to be on its disk by then."""
        return self.durability == "strict"

    @property
    def redis_address(self) -> str | None:
        """The Redis URL without user name and password, for people to read."""
        return self.redis_url and without_secrets(self.redis_url)


SETTINGS = {item.name: item for item in fields(Settings) if "says" in item.metadata}


def unknown_names(layer: Layer) -> list[str]:
    """A sentence for each name that is no setting, with the nearest that is."""
    known = [*map(layer.key, SETTINGS), *(CHOICES if layer.prefix else ())]
    sentences = []
    for name in sorted(name for name in layer.values if name not in SETTINGS):
        near = nearest(layer.key(name), known)
        what = f"did you mean {near!r}?" if near else "it may belong to another version"
        sentences.append(f"{layer.spelled(name)} is no setting and has no effect; {what}")
    return sentences


def parse(name: str, raw: Any) -> Any:
    """A value as the type of its setting; raises ValueError with what is allowed."""
    return parsed(name, raw, SETTINGS[name].metadata["low"], SETTINGS[name].metadata["high"])


def read(name: str, raw: Any, spelled: str, problems: list[str]) -> dict[str, Any]:
    """The setting with its value as its type; what is wrong with it is added to the problems."""
    try:
        return {name: parse(name, raw)}
    except ValueError as error:
        # Whatever stands where the address of Redis belongs may hold a password.
        found = "something else" if name == "redis_url" and str(raw).strip() else shown(raw)
        problems.append(f"expected {spelled} to be {error}, got {found}")
        return {}


def relations(settings: Settings) -> list[tuple[tuple[str, ...], str]]:
    """What does not go together: the settings, and the sentence about them."""
    problems: list[tuple[tuple[str, ...], str]] = []
    spelled = settings.spelled
    if settings.lease_seconds <= 2 * settings.renew_seconds:
        problem = (
            f"expected {spelled('lease_seconds')} to be more than twice {spelled('renew_seconds')}, "
            f"got {settings.lease_seconds:g} and {settings.renew_seconds:g}: one lost renewal would lose every run"
        )
        problems.append((("lease_seconds", "renew_seconds"), problem))
    if settings.log_retention_days > settings.run_retention_days:
        problem = (
            f"expected {spelled('log_retention_days')} to be at most {spelled('run_retention_days')}, "
            f"got {settings.log_retention_days:g} and {settings.run_retention_days:g}: logs go with their run"
        )
        problems.append((("log_retention_days", "run_retention_days"), problem))
    if settings.redis_password_file and (settings.redis_url is None or has_password(settings.redis_url)):
        found = "one with a password of its own" if settings.redis_url else "none"
        problem = (
            f"expected {spelled('redis_url')} to be an address without a password, got {found}: "
            f"{spelled('redis_password_file')} names the file of the password"
        )
        problems.append((("redis_url", "redis_password_file"), problem))
    return problems
