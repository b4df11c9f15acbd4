"""What a process uses of a folder that it shares with others: it holds a lock of that name for as long.

    <folder>/<name>          a tree, an environment
    <folder>/<name>.lock     held shared by who uses it, exclusively by who makes or removes it

Who removes something removes its lock, too: a lock that is not the one of its name any more locks nobody out.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOCK = ".lock"
HOLD = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Pins:
    """What this process uses of a folder; `is_ready` looks at a path and its lock, and says whether it can be used."""

    def __init__(self, folder: Path, is_ready: Callable[[Path, int], bool]) -> None:
        self._folder = folder
        self._is_ready = is_ready
        self._held: dict[str, int] = {}

    def place(self, name: str) -> Path | None:
        """The path of this name, pinned until `unpin` or the end of this process; None when it is not ready."""
        path = self._folder / name
        if name in self._held:
            if self._is_ready(path, self._held[name]):
                return path
            self.unpin(name)
        with suppress(OSError):
            lock = shared(lock_of(path))
            if is_named(lock, path) and self._is_ready(path, lock):
                self._held[name] = lock
                return path
            os.close(lock)
        return None

    def unpin(self, name: str) -> None:
        """Let it be removed, as something that was used until now."""
        lock = self._held.pop(name, None)
        if lock is not None:
            with suppress(OSError):
                os.utime(lock)
            os.close(lock)


def lock_of(path: Path) -> Path:
    """Where the lock of a path is."""
    return path.with_name(f"{path.name}{LOCK}")


def is_named(lock: int, path: Path) -> bool:
    """Whether an open lock is still the one of this path."""
    with suppress(FileNotFoundError):
        return lock_of(path).lstat().st_ino == os.fstat(lock).st_ino
    return False


def shared(path: Path) -> int:
    """Hold a lock shared; OSError when there is none, or somebody holds it exclusively."""
    lock = os.open(path, LOOK)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock
