"""Where the embedded Redis keeps what is its own: paths, locks, and the record of who wrote the data."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from queues.address import embedded_socket
from queues.errors import HomeUnusable, RedisNotStarted
from queues.redis_binary import RedisBinary
from queues.server_check import version_tuple

NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "ceph", "beegfs", "afs", "fuse.sshfs")


class Lock:
    """An advisory lock on a file; gone with the process, and never inherited by what the process starts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool = False, within: float = 0.0) -> bool:
        """Take the lock, waiting up to `within` seconds; say whether it was had."""
        deadline = time.monotonic() + within
        while True:
            try:
                fcntl.flock(self.fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.005)
            else:
                return True

    def close(self) -> None:
        """Let go; harmless when done twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, kw_only=True)
class RedisHome:
    """The folder of the embedded Redis under a home, and its short private socket."""

    folder: Path
    socket: Path

    @classmethod
    def under(cls, home: Path) -> RedisHome:
        """Name the places without making them; the same home always gives the same socket."""
        return cls(folder=Path(os.path.realpath(home)) / "redis", socket=Path(embedded_socket(str(home))))

    @property
    def data(self) -> Path:
        """The folder with the append-only file."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server and its guard write."""
        return self.folder / "redis.log"

    def make(self) -> None:
        """Make the folders, private to this user; HomeUnusable when that can not be."""
        for folder in (self.folder, self.data, self.socket.parent):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                found = folder.lstat()
            except OSError as error:
                raise HomeUnusable(error.filename or folder, error.strerror or str(error)) from error
            # Anyone may have made a folder of this name in /tmp before: the socket must not stand in theirs.
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                raise HomeUnusable(folder, "it belongs to another user, or is a link")
            if found.st_mode & 0o077:
                folder.chmod(0o700)

    def lock(self, name: str) -> Lock:
        """Open one of the lock files: start, users, server or guard."""
        try:
            return Lock(self.folder / f"{name}.lock")
        except OSError as error:
            raise HomeUnusable(error.filename, error.strerror or str(error)) from error

    def log_tail(self) -> str:
        """The last lines of the server's log, for a message."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-5:])

    # -------------------------------------------------------------- who wrote the data
    def require_readable(self, binary: RedisBinary, address: str) -> None:
        """RedisNotStarted when `binary` is older than the data, or another host has them open."""
        host, writer = self._host(), self._writer()
        if host and host != socket.gethostname() and on_network(self.folder):
            hint = f"Set HEADGATE_REDIS_URL or HEADGATE_HOME; if {host} is gone, delete {self.folder / 'host'}."
            raise RedisNotStarted(address, f"the Redis of this home runs on {host}", code="other_host", hint=hint)
        if not can_read(binary, writer):
            wrote = f"{writer['kind']}-server {writer['version']}"
            hint = f"Put {wrote} or newer on PATH, or set HEADGATE_HOME to another folder."
            cause = f"its data was written by {wrote}; {binary} is older and would start empty"
            raise RedisNotStarted(address, cause, code="older_than_data", hint=hint)

    def record_writer(self, binary: RedisBinary) -> None:
        """Write down who writes the data from now on, and where; the guard removes `host` after a clean end."""
        record = {"kind": binary.kind, "version": binary.version, "reads": ".".join(map(str, binary.reads))}
        (self.folder / "host").write_text(socket.gethostname())
        with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as fresh:
            json.dump(record, fresh)
        Path(fresh.name).replace(self._record)

    @property
    def _record(self) -> Path:
        return self.folder / "writer.json"

    def _host(self) -> str:
        try:
            return (self.folder / "host").read_text().strip()
        except OSError:
            return ""

    def _writer(self) -> dict[str, str]:
        try:
            record = json.loads(self._record.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise HomeUnusable(self._record, str(error)) from error
        return record if isinstance(record, dict) else {}


def can_read(binary: RedisBinary, writer: dict[str, str]) -> bool:
    """Say whether a program reads the data of `writer`; an older one does not fail but starts empty."""
    if not writer:
        return True
    if binary.kind == writer.get("kind") == "valkey":
        return version_tuple(binary.version)[:2] >= version_tuple(writer["version"])[:2]
    if writer.get("kind") == "valkey" and version_tuple(writer["version"]) >= (9,):
        return False  # Valkey 9 left the file format that it shared with Redis
    return binary.reads >= version_tuple(writer.get("reads", "0"))


def on_network(folder: Path) -> bool:
    """Say whether a folder is on a file system that other machines see too, where a socket is of one machine only."""
    kind, longest = "", 0
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    for line in mounts:
        fields, _, rest = line.partition(" - ")
        place = fields.split(" ")[4].replace("\\040", " ")
        if folder.is_relative_to(place) and len(place) >= longest:
            kind, longest = rest.split(" ")[0], len(place)
    return kind in NETWORK_FILE_SYSTEMS
