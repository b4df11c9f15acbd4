"""What a flow's process finds in its environment, and which interpreter runs it; pure but for looking at files."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.errors import LaunchFailed, NotLaunched, NotOnThisMachine
from agent.orders import Order

PASSED = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "HOSTNAME", "LANG", "LANGUAGE", "TZ", "TZDIR"),
        *("TMPDIR", "TMP", "TEMP", "LD_LIBRARY_PATH"),
        *("PYTHONUTF8", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
        *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
        *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    )
)
"""Variables of the agent's own environment that flows see; everything else, Redis's address first, stays with it."""

PASSED_PREFIXES = ("LC_", "XDG_")
PREPARING_PREFIXES = ("PIP_", "UV_", "GIT_SSH", "SSH_AUTH_SOCK", "SSH_ASKPASS")
"""What those who fetch code and packages see besides: where from, and by which keys. Flows do not."""

CONDA_ROOTS = ("miniconda3", "anaconda3", "miniforge3", "mambaforge")


def base_environment(own: Mapping[str, str]) -> dict[str, str]:
    """What every flow gets: a part of the agent's environment, and Pythons that keep no line back.

    A Python started by a flow would otherwise hold its lines in a buffer, and lose them when it is killed.
    """
    passed = {name: value for name, value in own.items() if name in PASSED or name.startswith(PASSED_PREFIXES)}
    return {**passed, "PYTHONUNBUFFERED": "1"}


def preparing_environment(own: Mapping[str, str]) -> dict[str, str]:
    """What a process that brings code or an environment here gets."""
    passed = {name: value for name, value in own.items() if name.startswith(PREPARING_PREFIXES)}
    return base_environment(own) | passed


def environment(base: Mapping[str, str], order: Order, marks: Mapping[str, str]) -> dict[str, str]:
    """A run's whole environment; later ones win: the agent's, the interpreter's, the deployment's, the marks."""
    made = dict(base)
    if order.interpreter is not None:
        folder = Path(order.interpreter).parent
        made["PATH"] = f"{folder}:{made['PATH']}" if made.get("PATH") else str(folder)
        if (folder.parent / "pyvenv.cfg").is_file():
            made["VIRTUAL_ENV"] = str(folder.parent)
        if (folder.parent / "conda-meta").is_dir():
            made["CONDA_PREFIX"] = str(folder.parent)
    # As bytes of UTF-8, whatever the agent's own locale is: only so they arrive as they were given.
    given = {os.fsdecode(name.encode()): os.fsdecode(value.encode()) for name, value in order.environment.items()}
    return {**made, **given, **marks}


def find_interpreter(
    *, python: str | None, virtualenv: str | None, condaenv: str | None, folder: str, own: Mapping[str, str]
) -> str | None:
    """The Python that a deployment names, by path, name, virtual environment or conda environment; None: the agent's.

    Relative paths start at the deployment's folder. What is named and not there comes back as the path it should have.
    """
    if python:
        if "/" not in python:
            return shutil.which(python, path=own.get("PATH")) or python
        return str(Path(folder, python).expanduser())
    if virtualenv:
        return str(Path(folder, Path(virtualenv).expanduser(), "bin", "python"))
    if condaenv:
        places = list(conda_places(condaenv, folder, own))
        found = next((place for place in places if (place / "bin" / "python").exists()), places[0])
        return str(found / "bin" / "python")
    return None


def conda_places(name: str, folder: str, own: Mapping[str, str]) -> Iterator[Path]:
    """Where a conda environment of this name or path may be, likeliest first."""
    if "/" in name:
        yield Path(folder, Path(name).expanduser())
        return
    for place in own.get("CONDA_ENVS_PATH", "").split(":"):
        if place:
            yield Path(place, name)
    if executable := own.get("CONDA_EXE"):
        yield Path(executable).parent.parent / "envs" / name
    for root in CONDA_ROOTS:
        yield Path(own.get("HOME", "/root"), root, "envs", name)
    yield Path("/opt/conda/envs", name)


def problem_of(order: Order, host: str) -> NotLaunched | None:
    """What stands against a launch here: code that is not there, an interpreter or a folder that is missing.

    Looks at files, which takes as long as their disk does: not for the loop.
    """
    if order.missing:
        # What is being brought here is looked at when it is there.
        return None
    if not Path(order.path).is_file():
        return NotOnThisMachine(f"{host} has no {order.path}")
    if order.interpreter is not None and not Path(order.interpreter).is_file():
        path = order.interpreter
        return LaunchFailed(f"expected a Python interpreter at {path} on {host}, found none; create it or redeploy")
    if order.links is None and not Path(order.working_dir).is_dir():
        return LaunchFailed(f"expected the working directory {order.working_dir} on {host}, found none")
    return None
