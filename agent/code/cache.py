"""The folder that keeps code on this machine, shared by the agents of one home.

    <home>/code/<boot>/.used            held shared by every agent that uses this folder
    <home>/code/<boot>/<name>/          a tree, read-only; there as a whole or not at all
    <home>/code/<boot>/<name>.lock      held shared by who uses the tree, exclusively by who makes or removes it
    <home>/code/<boot>/.new-<name>/     a tree in the making

Nothing is synced to the disk: after a boot everything is fetched anew, and what earlier boots left is removed. Machines
that share a home have folders of their own. The text of a lock is the bytes of its tree, its time when it was used
last: when there is more than may be, trees that nobody uses go, the one used longest ago first.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.errors import PreparationFailed
from agent.logs.private_folder import PrivateFolder
from agent.pins import HOLD, LOCK, LOOK, Pins, is_named, lock_of, shared
from agent.removal import FOLDER, names_in, remove_tree

NAME = re.compile(r"[a-z]+-[0-9a-f]{40,64}")
NEW, GONE, USED = ".new-", "-gone", ".used"
LONGEST_TEXT = 20
WAIT_SECONDS = 0.05
FRESH_SECONDS = 60.0


class CodeCache:
    """Finds, makes and removes trees by name; `boot` tells this boot of the machine from others."""

    def __init__(self, home: Path, *, most_bytes: int, boot: str) -> None:
        self.path = home / "code" / boot
        self._most_bytes = most_bytes
        self._used: int | None = None
        self._pins = Pins(self.path, lambda path, lock: path.is_dir())

    # ------------------------------------------------------------------- using
    def place(self, name: str) -> Path | None:
        """The tree of this name, pinned for as long as this process lives or until `unpin`; None without one."""
        checked(name)
        with suppress(OSError):
            self._used = self._used or shared(self.path / USED)
            return self._pins.place(name)
        return None

    def unpin(self, name: str) -> None:
        """Let the tree be removed, as one that was used until now."""
        self._pins.unpin(name)

    # ------------------------------------------------------------------- making
    def make(self, name: str, write: Callable[[Path], int]) -> Path:
        """The tree of this name, made unless it is there; raises what `write` raises, and OSError.

        `write` gets an empty folder, fills it and gives the bytes in it. Who asks for the same meanwhile waits for it.
        """
        path = self.path / checked(name)
        with self._folder() as folder:
            while not (self._is_there(name) or self._made(path, write, folder)):
                time.sleep(WAIT_SECONDS)
            self._shrink(folder)
        return path

    def _made(self, path: Path, write: Callable[[Path], int], folder: int) -> bool:
        """Make the tree; false when somebody holds its lock: shared to use it, exclusively to make it, there soon."""
        with suppress(BlockingIOError), self._held(path.name) as lock:
            if not path.is_dir():
                self._write(path, write, folder, lock)
            return True
        return False

    def _is_there(self, name: str) -> bool:
        """Whether the tree is whole and nobody removes it right now; counts as a use."""
        with suppress(OSError):
            path = self.path / name
            lock = shared(lock_of(path))
            try:
                os.utime(lock)
                return is_named(lock, path) and path.is_dir()
            finally:
                os.close(lock)
        return False

    def _write(self, path: Path, write: Callable[[Path], int], folder: int, lock: int) -> None:
        clear(path.name, folder)
        new = self.path / f"{NEW}{path.name}"
        new.mkdir(0o700)
        try:
            size = write(new)
        except BaseException:
            clear(path.name, folder, tree=False)
            raise
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(size).encode(), 0)
        new.rename(path)
        path.chmod(0o500)
        clear(path.name, folder, tree=False)

    def scratch(self, name: str) -> Path:
        """A folder beside a tree in the making, for what `write` needs meanwhile; it goes with the making."""
        folder = self.path / f"{NEW}{checked(name)}{GONE}"
        folder.mkdir(0o700)
        return folder

    @contextmanager
    def _folder(self) -> Iterator[int]:
        """A descriptor of this boot's folder, made if need be and held; OSError when it is another user's."""
        boots = self.path.parent
        boots.parent.mkdir(0o700, parents=True, exist_ok=True)
        for folder in (boots, self.path):
            PrivateFolder(folder).close()
        fd = os.open(self.path, FOLDER)
        try:
            os.close(os.open(USED, HOLD, 0o600, dir_fd=fd))
            held = shared(self.path / USED)
            try:
                yield fd
            finally:
                os.close(held)
        finally:
            os.close(fd)

    @contextmanager
    def _held(self, name: str) -> Iterator[int]:
        """Hold the lock of a name exclusively; BlockingIOError when somebody holds it."""
        while True:
            path = self.path / name
            lock = os.open(lock_of(path), HOLD, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if is_named(lock, path):
                    yield lock
                    return
            finally:
                os.close(lock)

    # ------------------------------------------------------------------- removing
    def shrink(self) -> None:
        """Remove trees that nobody uses until the rest is no more than it may be, and what nobody can use any more."""
        if self.path.parent.is_dir():
            with self._folder() as folder:
                self._shrink(folder)

    def _shrink(self, folder: int) -> None:
        aged = sorted(self._entries())
        total = sum(size for _, _, size in aged)
        for used_at, name, size in aged:
            # What was just made is about to be used: by this agent, or by another one.
            if total <= self._most_bytes or used_at > time.time() - FRESH_SECONDS:
                break
            total -= size if self._remove(name, folder) else 0
        for left in {half_made(entry) for entry in names_in(folder)} - {None}:
            self._remove(str(left), folder, tree=False)
        self._remove_earlier_boots()

    def _entries(self) -> Iterator[tuple[float, str, int]]:
        """When each tree was used last, its name, its bytes."""
        for entry in os.scandir(self.path):
            name = entry.name.removesuffix(LOCK)
            if entry.name == name or not NAME.fullmatch(name):
                continue
            with suppress(OSError):
                lock = os.open(entry.path, LOOK)
                try:
                    text = os.pread(lock, LONGEST_TEXT, 0)
                    yield os.fstat(lock).st_mtime, name, int(text) if text.isdigit() else 0
                finally:
                    os.close(lock)

    def _remove(self, name: str, folder: int, *, tree: bool = True) -> bool:
        """Remove a tree, or only what a dead process left of its making; False when somebody uses it."""
        with suppress(BlockingIOError), self._held(name):
            clear(name, folder, tree=tree)
            if not (self.path / name).is_dir():
                os.unlink(f"{name}{LOCK}", dir_fd=folder)
            return True
        return False

    def _remove_earlier_boots(self) -> None:
        """Remove the folders that no living process holds."""
        boots = os.open(self.path.parent, FOLDER)
        try:
            for name in names_in(boots):
                if name != self.path.name and is_unused(self.path.with_name(name) / USED):
                    remove_tree(name, boots)
        finally:
            os.close(boots)


def clear(name: str, folder: int, *, tree: bool = True) -> None:
    """Remove a tree and what is left of its making; its lock must be held exclusively."""
    if tree:
        with suppress(FileNotFoundError):
            # Gone by its name at once: half a tree is never found.
            os.rename(name, f"{NEW}{name}{GONE}", src_dir_fd=folder, dst_dir_fd=folder)
    for left in (f"{NEW}{name}{GONE}", f"{NEW}{name}"):
        if not remove_tree(left, folder):
            raise PermissionError(f"what is left of {name} can not be removed")


def is_unused(path: Path) -> bool:
    """Whether nobody holds a lock."""
    try:
        lock = os.open(path, LOOK)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def half_made(entry: str) -> str | None:
    """The name of the tree that an entry was to become, or was."""
    name = entry.removeprefix(NEW).removesuffix(GONE)
    return name if entry != name and NAME.fullmatch(name) else None


def checked(name: str) -> str:
    """A name that no path can hide in."""
    if not NAME.fullmatch(name):
        raise PreparationFailed(f"expected the name of some code, got {name[:100]!r}", final=True)
    return name
