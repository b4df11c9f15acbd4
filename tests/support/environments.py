"""Virtual environments in which nothing is installed, for flows that run where Headgate is not."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def bare_environment(folder: Path, packages: Mapping[str, str] | None = None) -> Path:
    """Make one, and write packages into it: name → text of its `__init__.py`. Its interpreter comes back."""
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    for name, text in (packages or {}).items():
        add_package(folder, name, text)
    return folder / "bin" / "python"


def site_packages(folder: Path) -> Path:
    """Where packages of an environment stand."""
    return next(folder.glob("lib/python*/site-packages"))


def add_package(folder: Path, name: str, text: str) -> None:
    """Write a package into an environment; a name that ends in .pth is such a file."""
    if name.endswith(".pth"):
        (site_packages(folder) / name).write_text(text)
        return
    (site_packages(folder) / name).mkdir()
    (site_packages(folder) / name / "__init__.py").write_text(text)
