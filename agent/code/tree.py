"""Writes the files of somebody else's tree below one folder, and nowhere else.

Every folder is opened through its parent's descriptor and no link is followed; every file is made, never found. What a
path may say is looked at here once more, whoever has looked at it before. Links are made as text, and looked at when
all is written: each must lead to a place inside.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from agent.errors import PreparationFailed
from agent.removal import FOLDER
from orchestrator.process.frames import write_all

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
LONGEST_PATH = 1024
LONGEST_PART = 255
DEEPEST = 100


class Tree:
    """A tree that is being written into an empty folder of its own; closed by `with`."""

    def __init__(self, root: Path, *, most_files: int, most_bytes: int) -> None:
        self.root = root
        self.files = self.bytes = 0
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._links: list[str] = []
        self._folders = {""}
        self._fd = os.open(root, FOLDER)

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def file(self, path: str, pieces: Iterable[bytes], *, executable: bool) -> None:
        """Write one file; raises PreparationFailed for a path that leads out or is there already, OSError."""
        folder, name = self._enter(path)
        try:
            fd = os.open(name, NEW, 0o600, dir_fd=folder)
            try:
                for piece in pieces:
                    self._count_bytes(len(piece))
                    write_all(fd, piece)
                os.fchmod(fd, 0o500 if executable else 0o400)
            finally:
                os.close(fd)
        except FileExistsError:
            raise refused(path, "another one has its name") from None
        finally:
            os.close(folder)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link; where it leads is looked at by `check_links`."""
        if target.startswith("/") or "\0" in target or not target:
            raise refused(path, f"it is a link to {target!r}, outside the tree")
        folder, name = self._enter(path)
        try:
            os.symlink(target, name, dir_fd=folder)
        except FileExistsError:
            raise refused(path, "another one has its name") from None
        finally:
            os.close(folder)
        self._links.append(path)

    def check_links(self) -> None:
        """Raise PreparationFailed for a link that leads out of the tree, through whichever others."""
        root = os.path.realpath(self.root)
        for path in self._links:
            leads_to = os.path.realpath(self.root / path)
            if leads_to != root and not leads_to.startswith(f"{root}/"):
                raise refused(path, "it is a link that leads out of the tree")

    def seal(self) -> int:
        """Make every folder read-only; gives the bytes of all that was written, bytecode included."""
        size = 0
        for _, _, files, fd in os.fwalk(".", topdown=False, dir_fd=self._fd):
            size += sum(os.stat(name, dir_fd=fd, follow_symlinks=False).st_size for name in files)
            os.fchmod(fd, 0o500)
        return size

    def _enter(self, path: str) -> tuple[int, str]:
        """The folder of a new entry, made if need be, and the entry's name."""
        *parents, name = checked_parts(path)
        self.files += 1
        if self.files > self._most_files:
            raise PreparationFailed(f"it has more than {self._most_files} files", final=True)
        at = os.dup(self._fd)
        try:
            for number, part in enumerate(parents, 1):
                inside = "/".join(parents[:number])
                if inside not in self._folders:
                    os.mkdir(part, 0o700, dir_fd=at)
                    self._folders.add(inside)
                below = os.open(part, FOLDER, dir_fd=at)
                os.close(at)
                at = below
        except (FileExistsError, NotADirectoryError):
            os.close(at)
            raise refused(path, "something that is no folder has the name of one of its folders") from None
        except BaseException:
            os.close(at)
            raise
        return at, name

    def _count_bytes(self, size: int) -> None:
        self.bytes += size
        if self.bytes > self._most_bytes:
            raise PreparationFailed(f"its files have more than {self._most_bytes} bytes", final=True)


def checked_parts(path: str) -> list[str]:
    """The parts of a path that stays below the folder it starts from; raises PreparationFailed for any other."""
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") and len(os.fsencode(part)) <= LONGEST_PART for part in parts)
    if not plain or "\0" in path or len(os.fsencode(path)) > LONGEST_PATH or len(parts) > DEEPEST:
        raise refused(path, "that is no path below the tree")
    return parts


def refused(path: str, why: str) -> PreparationFailed:
    """What is said of an entry that is not unpacked."""
    return PreparationFailed(f"its file {path[:200]!r} is refused: {why}", final=True)
