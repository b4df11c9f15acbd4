"""Brings the environments that runs need onto this machine: one for each set of requirements and interpreter."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from agent.environments.building import Builder
from agent.environments.cache import EnvironmentCache
from agent.environments.interpreters import Interpreters
from agent.environments.need import EnvironmentNeed
from agent.needs import Progress

FOLDER = "environments"
LETTERS = 32
MIB = 1 << 20


class Environments:
    """The provider of environments; `home` is HEADGATE_HOME, `own` the environment of the process it is in.

    `place`, `unpin` and `tidy` belong into the supervisor, `prepare` into a process of its own.
    """

    def __init__(
        self,
        home: Path,
        *,
        own: Mapping[str, str],
        host: str,
        seconds: float = 1800.0,
        cache_mb: float = 10240.0,
        boot: str | None = None,
    ) -> None:
        folder = home / FOLDER
        self._own = own
        self._host = host
        self._seconds = seconds
        self._interpreters = Interpreters(folder)
        self._names: dict[EnvironmentNeed, str] = {}
        self._cache = EnvironmentCache(folder, most_bytes=int(cache_mb * MIB), boot=boot)

    def need(self, fields: Mapping[str, Any]) -> EnvironmentNeed:
        """The need of these fields, as its `to_dict` gave them."""
        return EnvironmentNeed.of(fields)

    def place(self, need: EnvironmentNeed) -> Path | None:
        """The environment, pinned until `unpin` or the end of this process; None when it must be prepared first."""
        found = self._interpreters.known(need.python)
        if found is None:
            return None
        name = found.digest_with(need.lines)[:LETTERS]
        if self._names.setdefault(need, name) != name:
            # The interpreter is another one by now.
            self.unpin(need)
            self._names[need] = name
        return self._cache.place(name)

    def prepare(self, need: EnvironmentNeed, progress: Progress) -> Path:
        """Build it unless it is there; raises PreparationFailed, and OSError for what is this machine's fault."""
        self._cache.open()
        found = self._interpreters.ask(need.python, self._host)
        builder = Builder(self._own, host=self._host, seconds=self._seconds)
        return self._cache.make(
            found.digest_with(need.lines)[:LETTERS],
            lambda folder: builder.build(need.python, need.lines, folder, progress),
            seconds=self._seconds,
            wait=partial(progress, "waiting for another agent of this machine that builds it"),
        )

    def unpin(self, need: EnvironmentNeed) -> None:
        """Let the environment be removed when room is needed."""
        name = self._names.pop(need, None)
        if name is not None:
            self._cache.unpin(name)

    def tidy(self) -> list[str]:
        """Remove half-built environments, and old ones that nobody uses while there is more than may be."""
        return self._cache.tidy()
