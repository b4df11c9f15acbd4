"""How an environment is made: the commands for uv (where it is on PATH) or pip, and what they find around them; pure.

The environment itself is always made by Python's own venv. Both resolve alike: from all indexes that are named, the
best version wins. Settings of the machine (PIP_…, UV_…) say where packages are found, never where they are put.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.runners.environment import base_environment

REQUIREMENTS = "requirements.txt"
BUILD_VARIABLES = (
    *("NETRC", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS"),
    *("CPPFLAGS", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH", "CUDA_HOME", "RUSTFLAGS", "CARGO_HOME", "RUSTUP_HOME"),
)
# What would put packages elsewhere, take another interpreter, or keep the tools from saying what they do.
KEPT_FROM_TOOLS = frozenset(
    (
        *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_QUIET", "PIP_LOG"),
        *("PIP_REPORT", "PIP_REQUIREMENT", "PIP_EDITABLE", "PIP_BREAK_SYSTEM_PACKAGES", "PIP_REQUIRE_VIRTUALENV"),
        *("PIP_IGNORE_INSTALLED", "PIP_NO_DEPS", "PIP_SRC", "PIP_PROGRESS_BAR", "PIP_VERBOSE", "PIP_GROUP"),
        *("UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_TARGET", "UV_PREFIX", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT"),
        *("UV_WORKING_DIRECTORY", "UV_BREAK_SYSTEM_PACKAGES", "UV_QUIET", "UV_ENV_FILE", "UV_NO_BUILD_ISOLATION"),
    )
)
FOR_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CONSTRAINT": "UV_CONSTRAINT",
    "PIP_CERT": "SSL_CERT_FILE",
}
TRUE = ("1", "true", "yes", "on", "y", "t")
OWN_OPTIONS = {"--pre": "--prerelease=allow", "--require-hashes": "--require-hashes"}
"""Lines of a requirements file that uv takes as options only."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What this machine has to install packages with."""

    uv: str | None
    pip: bool
    """Whether the agent's own environment has pip; without either an environment gets a pip of its own."""
    no_index: bool = False
    """Whether this machine's packages come from no index; pip reads that in its variables, uv has none for it."""

    @classmethod
    def found(cls, environment: Mapping[str, str]) -> "Tools":
        """Those on PATH, and beside this interpreter."""
        uv = shutil.which("uv", path=environment.get("PATH", os.defpath))
        no_index = environment.get("PIP_NO_INDEX", "").lower() in TRUE
        return cls(uv=uv, pip=importlib.util.find_spec("pip") is not None, no_index=no_index)

    @property
    def name(self) -> str:
        """The one that installs."""
        return "uv" if self.uv else "pip"

    def commands(self, python: str | None, folder: Path, lines: Sequence[str]) -> list[list[str]]:
        """What is run, one after the other, to make an environment in a folder that holds the requirements."""
        made = [python or sys.executable, "-I", "-m", "venv"]
        inside, listed = str(folder / "bin" / "python"), str(folder / REQUIREMENTS)
        install = ["install", "--no-input", "--no-color", "--progress-bar", "off", "--disable-pip-version-check"]
        if self.uv:
            options = [OWN_OPTIONS[line] for line in lines if line in OWN_OPTIONS]
            options += ["--no-index"] if self.no_index else []
            quiet = ["--no-progress", "--color", "never", "--compile-bytecode", "--index-strategy", "unsafe-best-match"]
            return [
                [*made, "--without-pip", str(folder)],
                [self.uv, "pip", "install", *quiet, *options, "--python", inside, "-r", listed],
            ]
        if self.pip:
            pip = [sys.executable, "-I", "-m", "pip", "--python", inside]
            return [[*made, "--without-pip", str(folder)], [*pip, *install, "-r", listed]]
        return [[*made, str(folder)], [inside, "-I", "-m", "pip", *install, "-r", listed]]

    def file(self, lines: Sequence[str]) -> str:
        """The requirements file."""
        return "".join(f"{line}\n" for line in lines if not (self.uv and line in OWN_OPTIONS))


def build_environment(own: Mapping[str, str], tools: Tools) -> dict[str, str]:
    """What the tools find in their environment: never Redis's address, nor another secret of the agent."""
    passed = {
        name: value
        for name, value in own.items()
        if (name.startswith(("PIP_", "UV_")) and name not in KEPT_FROM_TOOLS) or name in BUILD_VARIABLES
    }
    made = {**base_environment(own), **passed, "GIT_TERMINAL_PROMPT": "0", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    if tools.uv:
        made = {**{name: made[old] for old, name in FOR_UV.items() if old in made}, **made}
    if not is_writable(Path(made.get("XDG_CACHE_HOME") or Path(made.get("HOME") or "/nonexistent", ".cache"))):
        made = {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1", **made}
    return made


def is_writable(folder: Path) -> bool:
    """Whether a folder is there, or could be made, to write into."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return there.is_dir() and os.access(there, os.W_OK)
