"""A disk that is soon full: a small tmpfs of the test's own, taken down again however the test ends. Needs root."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BALLAST = "ballast"


@contextmanager
def small_disk(kibibytes: int) -> Iterator[Path]:
    """A folder on a file system of its own; the test is skipped, and says why, where that may not be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="hgd"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        if not mounted:
            pytest.skip("needs root and the right to mount: a full disk was NOT tested")
        yield folder
    finally:
        if mounted:
            # Lazily: a server that is about to be killed may still have its file open.
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path, *, leave: int) -> None:
    """Leave so many bytes of the disk."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    (folder / BALLAST).write_bytes(b"x" * max(0, free - leave))


def relieve(folder: Path) -> None:
    """Give the rest of the disk back."""
    (folder / BALLAST).unlink()
