"""A real Redis server of the test's own: private unix socket, no TCP port, killed by its pid at the end.

A test once passed because an orphan of an earlier test still held the port. So every server gets a fresh directory,
proves by its process id that it is the one just started, and dies with the test process however that ends.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import redis as redis_py
from redis.backoff import NoBackoff
from redis.retry import Retry

from queues.redis_binary import find_binary
from tests.support.waiting import wait_until

PR_SET_PDEATHSIG = 1
# Opened before any fork: a library loaded between fork and exec could wait for a lock of another thread.
LIBC = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent dies, so that a killed test run leaves no server behind."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class RedisServer:
    """One redis-server process: `start`, `kill` (SIGKILL), `restart` on the same data, `close` (kill and remove)."""

    def __init__(
        self, *, append_only: bool = False, options: dict[str, str] | None = None, program: str | None = None
    ) -> None:
        # A unix socket path holds 107 bytes: pytest's own temporary folders are too long for that.
        self.folder = Path(tempfile.mkdtemp(prefix="hgr"))
        self.socket = self.folder / "redis.sock"
        self.append_only = append_only
        self.options = options or {}
        self.program = program or find_binary().path
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for `queues.connection.connect`."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """The server's process id while it runs."""
        assert self.process is not None, "the server was not started"
        return self.process.pid

    def client(self, **options: object) -> redis_py.Redis:
        """A plain client without hidden retries, bytes in and out."""
        settings: dict[str, object] = {"socket_timeout": 10.0, "retry": Retry(NoBackoff(), 0), **options}
        return redis_py.Redis(unix_socket_path=str(self.socket), **settings)  # type: ignore[arg-type]

    def start(self) -> RedisServer:
        """Start the process and return once it answers; it must be our own process that answers."""
        command = [self.program, "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        command += ["--dir", str(self.folder), "--save", "", "--appendonly", "yes" if self.append_only else "no"]
        command += ["--maxmemory-policy", "noeviction", "--loglevel", "warning"]
        for name, value in self.options.items():
            command += [f"--{name}", value]
        self.socket.unlink(missing_ok=True)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        wait_until(lambda: self._ended() or self._answers(), within=30, message=lambda: f"redis-server: {self.log()}")
        assert not self._ended(), f"redis-server ended: {self.log()}"
        return self

    def _ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def _answers(self) -> bool:
        assert self.process is not None
        with self.client(socket_timeout=1.0) as client:
            try:
                info = client.info("server")
                client.ping()  # INFO is answered while the data are still being loaded
            except redis_py.RedisError:
                return False
        assert info["process_id"] == self.process.pid, "another redis-server answers on the socket of this test"
        return True

    def log(self) -> str:
        """What the server wrote so far, for messages."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def signal(self, number: int) -> None:
        """Send a signal to the server, e.g. SIGSTOP and SIGCONT."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def restart(self) -> RedisServer:
        """SIGKILL and a new process on the same folder; data survives when the server is append-only."""
        self.kill()
        return self.start()

    def close(self) -> None:
        """Kill the process and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()
