"""The folders of one agent's spool and the room in them.

    <home>/spool/<installation>/<agent>/    lines that are not in Redis yet; locked by the living supervisor
    <home>/spool/<installation>/_kept/      lines that Redis has no room for; no agent's name begins with `_`

Both together take no more than the quota of the agent: kept files go first, oldest first.
"""

import errno
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from agent.logs.private_folder import PrivateFolder

KEPT = "_kept"
PROBE = "probe"
PROBE_BYTES = 256 * 1024


class SpoolDisk:
    """Where the spool of one agent stands. Methods raise OSError unless they say otherwise; any thread may call."""

    def __init__(self, home: str, installation: str, agent: str, *, quota: int) -> None:
        self.path = Path(home, "spool", installation, agent)
        self.kept_path = self.path.with_name(KEPT)
        self.quota = quota
        self.left: list[str] = []
        """Files that a dead supervisor of this agent left."""
        self._own: PrivateFolder | None = None
        self._used = self._kept_bytes = 0
        self._guard = threading.Lock()

    def open(self) -> None:
        """Take the folder into use, or find out again whether it can be written to."""
        if self._own is None:
            self._make_parents()
            own = PrivateFolder(self.path)
            try:
                if not own.lock():
                    raise BlockingIOError(f"{self.path} is held by another process")
                left = [name for name, _ in own.files() if name != PROBE]
                self._used = measured(own)
            except OSError:
                own.close()
                raise
            self._own, self.left = own, left
        self._probe(self._own)
        self.measure_kept()

    def is_gone(self) -> bool:
        """Whether somebody removed the folder; `open` makes it again then."""
        gone = self._own is not None and not self.path.is_dir()
        if gone:
            # Its descriptor stays open: no thread that still uses it may come upon another file under its number.
            self._own = None
        return gone

    def folder(self) -> PrivateFolder:
        """The folder of lines that are not in Redis yet."""
        if self._own is None:
            raise FileNotFoundError(errno.ENOENT, "it is not open", str(self.path))
        return self._own

    def kept(self) -> PrivateFolder:
        """The folder of what is kept; close it."""
        return PrivateFolder(self.kept_path)

    def measure_kept(self) -> None:
        """Look how much is kept: other agents of this machine keep there, too."""
        folder = self.kept()
        try:
            self._kept_bytes = measured(folder)
        finally:
            folder.close()

    def has_room(self, size: int) -> bool:
        """Whether so many bytes may be written; what is kept makes room, oldest first."""
        return self._used + self._kept_bytes + size <= self.quota or self.make_room(size)

    def make_room(self, size: int) -> bool:
        """Remove what is kept, oldest first, until so many bytes fit under the quota; False when they do not."""
        folder = self.kept()
        try:
            aged = sorted((found.st_mtime, name, found.st_size) for name, found in folder.files())
            self._kept_bytes = sum(size for _, _, size in aged)
            for _, name, freed in aged:
                if self._used + self._kept_bytes + size <= self.quota:
                    break
                folder.remove(name)
                self._kept_bytes -= freed
        finally:
            folder.close()
        return self._used + self._kept_bytes + size <= self.quota

    def drop_oldest_kept(self) -> bool:
        """Remove what is kept for longest, for a disk that is full; False when nothing is."""
        folder = self.kept()
        try:
            oldest = min(folder.files(), key=lambda file: file[1].st_mtime, default=None)
            if oldest is not None:
                folder.remove(oldest[0])
            return oldest is not None
        finally:
            folder.close()

    def drop_kept_before(self, seconds: float) -> None:
        """Remove what has been kept for so long."""
        folder = self.kept()
        try:
            for name, found in list(folder.files()):
                if found.st_mtime < time.time() - seconds:
                    folder.remove(name)
        finally:
            folder.close()
        self.measure_kept()

    def count(self, size: int) -> None:
        """Note that so many bytes were written."""
        with self._guard:
            self._used += size

    def end(self, folder: PrivateFolder, name: str, size: int, *, keep: bool) -> None:
        """Remove a file whose lines are all in Redis, or keep it when Redis will not keep them all; never raises."""
        # What can not be removed now is found, and known to Redis, at the next start.
        with suppress(OSError):
            if keep:
                kept = self.kept()
                try:
                    folder.move(name, kept)
                finally:
                    kept.close()
            else:
                folder.remove(name)
            with self._guard:
                self._used -= size if folder is self._own else 0
                self._kept_bytes += size if keep else 0

    def _make_parents(self) -> None:
        installation, spool, home, *_ = self.path.parents
        home.mkdir(0o700, parents=True, exist_ok=True)
        for parent in (spool, installation):
            PrivateFolder(parent).close()

    def _probe(self, own: PrivateFolder) -> None:
        own.remove(PROBE)
        fd = own.create(PROBE)
        try:
            if os.write(fd, bytes(PROBE_BYTES)) < PROBE_BYTES:
                os.write(fd, bytes(PROBE_BYTES))
        finally:
            os.close(fd)
            own.remove(PROBE)


def measured(folder: PrivateFolder) -> int:
    """The bytes of the files in a folder."""
    return sum(found.st_size for _, found in folder.files())
