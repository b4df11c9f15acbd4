"""A folder of this user alone, used through its descriptor: no link is followed, no other user's folder is used."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agent.removal import FOLDER

LOCK = "lock"
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class PrivateFolder:
    """A folder and the files in it. Every method raises OSError."""

    def __init__(self, path: Path, *, make: bool = True) -> None:
        """Open the folder, made with mode 0700 if it may be; PermissionError when it is another user's."""
        if make:
            with suppress(FileExistsError):
                path.mkdir(0o700)
        self.path = path
        self._lock: int | None = None
        self._fd = os.open(path, FOLDER)
        try:
            found = os.fstat(self._fd)
            if found.st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, f"it belongs to user {found.st_uid}", str(path))
            if stat.S_IMODE(found.st_mode) & 0o077:
                os.fchmod(self._fd, 0o700)
        except OSError:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Let go of the folder, and of its lock."""
        os.close(self._fd)
        if self._lock is not None:
            os.close(self._lock)

    def lock(self) -> bool:
        """Hold the folder for as long as this process lives; False when a living process holds it."""
        lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._fd)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever cleared the folder away meanwhile has taken its lock with it: this one would lock nobody out.
            if os.stat(LOCK, dir_fd=self._fd, follow_symlinks=False).st_ino != os.fstat(lock).st_ino:
                raise BlockingIOError(errno.EAGAIN, "it is being cleared away", str(self.path))
        except OSError as error:
            os.close(lock)
            if error.errno in (errno.EAGAIN, errno.ENOENT):
                return False
            raise
        self._lock = lock
        return True

    @property
    def is_locked(self) -> bool:
        """Whether this process holds the folder."""
        return self._lock is not None

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """The files in it but the lock: name, size, owner and times."""
        for entry in os.scandir(self._fd):
            with suppress(FileNotFoundError):
                if entry.name != LOCK and entry.is_file(follow_symlinks=False):
                    yield entry.name, os.stat(entry.name, dir_fd=self._fd, follow_symlinks=False)

    def create(self, name: str) -> int:
        """A descriptor to write the end of a new file with, mode 0600."""
        return os.open(name, NEW, 0o600, dir_fd=self._fd)

    def read(self, name: str, start: int, length: int) -> bytes:
        """Bytes of a file, fewer at its end; PermissionError when it is another user's."""
        fd = os.open(name, READ, dir_fd=self._fd)
        try:
            if (owner := os.fstat(fd).st_uid) != os.geteuid():
                raise PermissionError(errno.EPERM, f"it belongs to user {owner}", f"{self.path}/{name}")
            return os.pread(fd, length, start)
        finally:
            os.close(fd)

    def remove(self, name: str) -> None:
        """Remove a file that may be gone already."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)

    def move(self, name: str, other: "PrivateFolder") -> None:
        """Move a file, that may be gone already, to another folder of the same disk."""
        with suppress(FileNotFoundError):
            os.rename(name, name, src_dir_fd=self._fd, dst_dir_fd=other._fd)

    def clear_away(self) -> None:
        """Remove the folder when nothing but its lock is in it; it must be locked."""
        if {entry.name for entry in os.scandir(self._fd)} <= {LOCK}:
            os.unlink(LOCK, dir_fd=self._fd)
            # A new owner may have come this very moment: then it stays.
            with suppress(OSError):
                self.path.rmdir()
