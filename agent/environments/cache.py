"""The folder that keeps environments on this machine, shared by the agents of one home.

    <home>/environments/<name>/         an environment; whole only when its lock says so
    <home>/environments/<name>.lock     whoever uses it holds it shared, whoever builds or removes it exclusively

An environment can not be moved, so it is built where it stays. The lock's text says in which boot of the machine it was
finished, and its bytes; it is written last and emptied first. Nothing is synced to the disk: after a boot an
environment is looked through once. The lock's time says when it was used last: when there is more than may be, those
that nobody uses go, the one used longest ago first.
"""

import csv
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.errors import PreparationFailed
from agent.logs.private_folder import PrivateFolder
from agent.pins import HOLD, LOCK, LOOK, Pins, is_named, lock_of
from queues.identity import this_boot

NAME = re.compile(r"[0-9a-f]{32}")
LONGEST_MARK = 200
LOOK_AGAIN_SECONDS = 0.1


class EnvironmentCache:
    """Finds, makes and removes environments by name."""

    def __init__(self, folder: Path, *, most_bytes: int, boot: str | None = None) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._boot = boot or this_boot()
        self._pins = Pins(folder, self._is_ready)

    def place(self, name: str) -> Path | None:
        """The environment of this name, pinned for as long as this process lives or until `unpin`; None without one."""
        return self._pins.place(name)

    def unpin(self, name: str) -> None:
        """Let it be removed, as one that was used until now."""
        self._pins.unpin(name)

    def open(self) -> None:
        """Make the folder, for this user alone; raises OSError."""
        self.folder.parent.mkdir(0o700, parents=True, exist_ok=True)
        PrivateFolder(self.folder).close()

    def make(self, name: str, build: Callable[[Path], None], *, seconds: float, wait: Callable[[], object]) -> Path:
        """The environment of this name, built unless it is there.

        `build` fills the folder that it is given. Another process that builds it is waited for, for so many seconds,
        and `wait` is called meanwhile. Raises what `build` raises, PreparationFailed and OSError.
        """
        self.open()
        path = self.folder / name
        deadline = time.monotonic() + seconds
        while (found := self._made(name, path, build)) is None:
            if time.monotonic() > deadline:
                raise PreparationFailed(f"another process holds {path} for longer than {seconds:g} s", final=False)
            wait()
            time.sleep(LOOK_AGAIN_SECONDS)
        self.tidy(spared=name)
        return found

    def tidy(self, *, spared: str = "") -> list[str]:
        """Remove what is half built, and then what nobody uses until the rest is no more than it may be."""
        removed: list[str] = []
        total = 0
        whole: list[tuple[int, str, int]] = []
        for name, (used, boot, size) in self._entries():
            if boot:
                whole.append((used, name, size))
                total += size
            elif self._remove(name):
                removed.append(name)
        for _, name, size in sorted(whole):
            if total <= self._most_bytes:
                break
            if name != spared and self._remove(name):
                removed.append(name)
                total -= size
        return removed

    def _made(self, name: str, path: Path, build: Callable[[Path], None]) -> Path | None:
        """One try: the environment, or None while another process has it."""
        with self._held(name, fcntl.LOCK_SH) as lock:
            if lock is not None and self._is_ready(path, lock):
                return path
        with self._held(name, fcntl.LOCK_EX) as lock:
            if lock is None:
                return None
            if self._is_ready(path, lock):
                return path
            boot, size = mark_of(lock)
            if not boot or not is_whole(path):
                clear(path, lock)
                path.mkdir(0o700)
                try:
                    build(path)
                except BaseException:
                    clear(path, lock)
                    self._lock_of(name).unlink()
                    raise
                size = bytes_below(path)
            write_mark(lock, f"{self._boot} {size}\n")
            return path

    def _remove(self, name: str) -> bool:
        """Remove an environment that nobody uses, and its lock."""
        with self._held(name, fcntl.LOCK_EX) as lock:
            if lock is None:
                return False
            with suppress(PreparationFailed):
                clear(self.folder / name, lock)
                self._lock_of(name).unlink()
                return True
        return False

    def _entries(self) -> Iterator[tuple[str, tuple[int, str, int]]]:
        """Names, with when each was used last, the boot in which it was finished ("" for half built), its bytes."""
        if not self.folder.is_dir():
            return
        for name in {entry.name.removesuffix(LOCK) for entry in os.scandir(self.folder)}:
            if NAME.fullmatch(name):
                with suppress(OSError), self._looked_at(name) as lock:
                    yield name, (0, "", 0) if lock is None else (os.fstat(lock).st_mtime_ns, *mark_of(lock))

    @contextmanager
    def _looked_at(self, name: str) -> Iterator[int | None]:
        try:
            lock = os.open(self._lock_of(name), LOOK)
        except FileNotFoundError:
            yield None
            return
        try:
            yield lock
        finally:
            os.close(lock)

    @contextmanager
    def _held(self, name: str, how: int) -> Iterator[int | None]:
        """Hold the lock of a name, shared or exclusively; None while somebody else does not let us."""
        lock = os.open(self._lock_of(name), HOLD, 0o600)
        try:
            yield lock if self._lock(lock, name, how) else None
        finally:
            os.close(lock)

    def _is_ready(self, path: Path, lock: int) -> bool:
        """Whether an environment was finished in this boot."""
        return mark_of(lock)[0] == self._boot and python_of(path).exists()

    def _lock(self, lock: int, name: str, how: int) -> bool:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
            return is_named(lock, self.folder / name)
        except OSError:
            return False

    def _lock_of(self, name: str) -> Path:
        return lock_of(self.folder / name)


def python_of(path: Path) -> Path:
    """The interpreter of an environment."""
    return path / "bin" / "python"


def mark_of(lock: int) -> tuple[str, int]:
    """The boot in which an environment was finished, and its bytes; ("", 0) when it was not."""
    boot, _, size = os.pread(lock, LONGEST_MARK, 0).decode("ascii", "replace").strip().partition(" ")
    return (boot, int(size)) if size.isdigit() else ("", 0)


def write_mark(lock: int, text: str) -> None:
    """Say that an environment is finished, or with "" that it is none any more; one call, so never by half."""
    if text:
        os.pwrite(lock, text.encode(), 0)
    os.ftruncate(lock, len(text))


def clear(path: Path, lock: int) -> None:
    """Remove an environment, half of one or a whole; the lock must be held exclusively. Raises PreparationFailed."""
    write_mark(lock, "")
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        raise PreparationFailed(f"{path} can not be removed", final=False)


def is_whole(path: Path) -> bool:
    """Whether the files of its packages have the sizes that they were installed with.

    A machine that lost its power may have kept a name and lost the content.
    """
    try:
        return python_of(path).exists() and all(
            (record.parent.parent / name).stat().st_size == int(size)
            for record in path.glob("lib/python*/site-packages/*.dist-info/RECORD")
            for name, _, size in csv.reader(record.read_text(encoding="utf-8").splitlines())
            if size
        )
    except (OSError, ValueError):
        return False


def bytes_below(path: Path) -> int:
    """What a folder takes of the disk."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118 (ten thousand files)
    return total
