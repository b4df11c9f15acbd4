"""Which files of a folder are its code: what git knows of, else all, without what nobody means to send along.

`.headgateignore` beside the deployment file, written as a .gitignore, leaves out more in both cases.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator.bundles import git
from orchestrator.bundles.ignored import Ignored
from orchestrator.bundles.paths import flaw
from orchestrator.errors import BadBundle, shown

IGNORE_FILE = ".headgateignore"
LARGEST_IGNORE_FILE = 1 << 20
MOST_SEEN = 100_000
"""Files that are looked at: a home folder or a disk is no project."""

NEVER_SENT = frozenset(
    (
        *(".git", ".hg", ".svn", "__pycache__", ".headgate", ".mypy_cache", ".ruff_cache", ".pytest_cache"),
        *(".hypothesis", ".tox", ".nox", ".ipynb_checkpoints", "node_modules", ".DS_Store", IGNORE_FILE),
    )
)
BYTECODE = (".pyc", ".pyo")
MARKS = ("pyvenv.cfg", "conda-meta", "redis/users.lock")
"""What makes a folder a virtual environment, a conda environment, or another home of Headgate."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A file to pack: its path in the bundle, where its bytes are, and what its status says of them."""

    path: str
    place: str
    size: int
    executable: bool


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The files of a folder by path, and a sentence about each thing that may be missed."""

    files: tuple[Chosen, ...]
    notes: tuple[str, ...]


def select(folder: str, without: str | None = None) -> Selection:
    """Choose the files of a folder, none in `without`; raises BadBundle when there are too many to be a project."""
    notes: list[str] = []
    sieve = Sieve(folder, without=without and os.path.realpath(without))
    files: dict[str, Chosen] = {}
    for seen, path in enumerate(candidates(folder, sieve, notes)):
        if seen == MOST_SEEN:
            raise too_many(folder)
        if sieve.keeps(path) and (chosen := chosen_of(folder, path, notes)) is not None:
            files[path] = chosen
    return Selection(files=tuple(files[path] for path in sorted(files)), notes=tuple(notes))


def candidates(folder: str, sieve: "Sieve", notes: list[str]) -> Iterable[str]:
    """Every path that may be code: as git tells it, or all where git does not know the folder."""
    if git.work_tree(folder) is not None:
        try:
            names = git.names_below(folder)
        except git.GitFailed as failed:
            notes.append(f"all files of {folder} are its code: {failed}")
        else:
            # A folder that git ignores as a whole, such as a temporary one, is no part of that repository.
            if names:
                return flattened(folder, names, sieve, notes)
    return walked(folder, "", sieve)


def flattened(folder: str, names: Iterable[str], sieve: "Sieve", notes: list[str]) -> Iterator[str]:
    """Paths as git tells them, with those of repositories inside instead of their folders."""
    for name in names:
        inner = Path(folder, name)
        if not inner.is_dir() or inner.is_symlink():
            yield name
        elif sieve.keeps_folder(name.rstrip("/")):
            below = candidates(str(inner), sieve.below(name.rstrip("/")), notes)
            yield from (f"{name.rstrip('/')}/{path}" for path in below)


def walked(folder: str, within: str, sieve: "Sieve") -> Iterator[str]:
    """Every path below a folder, without those of folders that are left out."""
    try:
        entries = sorted(os.scandir(Path(folder, within)), key=lambda entry: entry.name)
    except OSError as error:
        raise unreadable(within or folder, error) from None
    for entry in entries:
        path = f"{within}/{entry.name}" if within else entry.name
        if not entry.is_dir(follow_symlinks=False):
            yield path
        elif sieve.keeps_folder(path):
            yield from walked(folder, path, sieve)


class Sieve:
    """Tells what is left out whatever git says of it: by name, by what a folder is, by the ignore file."""

    def __init__(
        self, folder: str, ignored: Ignored | None = None, prefix: str = "", *, without: str | None = None
    ) -> None:
        self._folder = folder
        self._without = without
        self._prefix = prefix
        self._ignored = ignored if ignored is not None else read_ignored(folder)
        self.keeps_folder = cache(self._keeps_folder)

    def below(self, folder: str) -> "Sieve":
        """The same for a folder inside, whose paths begin there."""
        return Sieve(f"{self._folder}/{folder}", self._ignored, f"{self._prefix}{folder}/", without=self._without)

    def keeps(self, path: str) -> bool:
        """Whether a file is not left out."""
        above, _, name = path.rpartition("/")
        if above and not self.keeps_folder(above):
            return False
        return name not in NEVER_SENT and not name.endswith(BYTECODE) and not self._ignores(path, folder=False)

    def _keeps_folder(self, path: str) -> bool:
        above, _, name = path.rpartition("/")
        if (above and not self.keeps_folder(above)) or name in NEVER_SENT or self._ignores(path, folder=True):
            return False
        if self._without is not None and os.path.realpath(f"{self._folder}/{path}") == self._without:
            return False
        return not any(os.path.lexists(f"{self._folder}/{path}/{mark}") for mark in MARKS)

    def _ignores(self, path: str, *, folder: bool) -> bool:
        return self._ignored.takes(self._prefix + path, folder=folder)


def read_ignored(folder: str) -> Ignored:
    """The ignore file of a folder, if there is one."""
    try:
        with open(f"{folder}/{IGNORE_FILE}", "rb") as file:
            return Ignored.of(file.read(LARGEST_IGNORE_FILE).decode("utf-8", "replace"))
    except FileNotFoundError:
        return Ignored()
    except OSError as error:
        raise unreadable(IGNORE_FILE, error) from None


def chosen_of(folder: str, path: str, notes: list[str]) -> Chosen | None:
    """A file as it is packed; None, and mostly a note, for what can not be."""
    place = f"{folder}/{path}"
    try:
        found = os.lstat(place)
        if stat.S_ISLNK(found.st_mode):
            place, found = followed(folder, place)
    except FileNotFoundError:
        return None  # deleted, and git was not told yet
    except LeadsOut as link:
        notes.append(f"left out: {shown(path)} is a link {link}")
        return None
    except OSError as error:
        raise unreadable(path, error) from None
    if not stat.S_ISREG(found.st_mode):
        what = "a link to a folder" if stat.S_ISDIR(found.st_mode) else "no file, but a pipe, socket or device"
        notes.append(f"left out: {shown(path)} is {what}")
        return None
    if wrong := flaw(path):
        notes.append(f"left out: {shown(path)}: {wrong}")
        return None
    return Chosen(path=path, place=place, size=found.st_size, executable=bool(found.st_mode & stat.S_IXUSR))


class LeadsOut(Exception):
    """A link that is not followed; the text says where it leads."""


def followed(folder: str, link: str) -> tuple[str, os.stat_result]:
    """What a link stands for, when that is in the same folder; raises LeadsOut."""
    root, target = os.path.realpath(folder), os.path.realpath(link)
    if target != root and not target.startswith(f"{root.rstrip('/')}/"):
        raise LeadsOut("that leads out of the folder")
    try:
        return target, os.lstat(target)
    except FileNotFoundError:
        raise LeadsOut("to what is not there") from None


def too_many(folder: str) -> BadBundle:
    """The error of a folder that is no project."""
    hint = f"give the deployment file a folder of its own, or list what is no code in {folder}/{IGNORE_FILE}"
    return BadBundle(f"there are more than {MOST_SEEN:,} files below {folder}", hint=hint)


def unreadable(path: str, error: OSError) -> BadBundle:
    """The error of a file that can not be read: without it the flow may not work."""
    hint = f"make it readable, or list it in {IGNORE_FILE}"
    return BadBundle(f"{shown(path)} can not be packed: {error.strerror or error}", hint=hint)
