"""The embedded Redis: one real server per home, started by whoever needs it first, ended after its last user.

Every user holds a shared lock on `users.lock` for as long as it wants the server; the guard (see `queues.redis_guard`)
gets the exclusive one when all are gone, also when they were killed. Starting happens under `start.lock`, so users that
come at the same time share one server. The server listens on a unix socket in a private folder and on no port, keeps
every change in an append-only file, and drops nothing when memory is short.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from queues.errors import RedisNotStarted, RedisUnreachable
from queues.keys import DEFAULT_PREFIX, Keys
from queues.redis_binary import RedisBinary, find_binaries, find_binary, loader_free
from queues.redis_home import Lock, RedisHome

START_SECONDS = 60.0
"""How long a server may take to read its data; it answers LOADING meanwhile."""
GUARD = Path(__file__).with_name("redis_guard.py")
LOG_BYTES = 10_000_000


class EmbeddedRedis:
    """A user's hold on the embedded Redis of a home: `url` works until `close`.

    Make one with `acquire`. When commands fail because the server was killed, `ensure` brings it back on its data.
    Acquire it before a process makes itself a child subreaper: the server and its guard belong to nobody's tree.
    """

    def __init__(self, home: RedisHome, users: Lock, prefix: str, *, strict: bool = False) -> None:
        self._home = home
        self._users = users
        self._recovery = Keys(prefix).recovery
        self._strict = strict

    @classmethod
    def acquire(
        cls, home: Path | str, *, prefix: str = DEFAULT_PREFIX, strict: bool = False, within: float = START_SECONDS
    ) -> EmbeddedRedis:
        """Share the server of `home` (a folder, made when missing), starting it when none runs.

        With `strict` it answers only when what it says is on disk; so does one that runs already, from then on.
        RedisNotStarted when there is no server program, the data is newer than it reads, or it ends at once;
        HomeUnusable when the folder can not be used. `prefix` is where a clean end is noted.
        """
        place = RedisHome.under(Path(home))
        place.make()
        users = place.lock("users")
        held = cls(place, users, prefix, strict=strict)
        try:
            # Only a guard that is shutting the server down keeps users out; it is done within seconds.
            if not users.take(shared=True, within=within):
                raise RedisNotStarted(held.url, "the one before it does not end", code="ending", hint=held._look)
            held.ensure(within=within)
        except BaseException:
            users.close()
            raise
        return held

    @property
    def url(self) -> str:
        """The address for `queues.connection.connect`."""
        return f"unix://{self._home.socket}"

    @property
    def log(self) -> Path:
        """The file with what the server says."""
        return self._home.log

    def ensure(self, *, within: float = START_SECONDS) -> bool:
        """Make sure that the server answers and has a guard; say whether it had to be started."""
        started = self._ensure(within)
        if self._strict and not started:
            # Someone who is not strict may have started it, now or after it was killed.
            said(self._home.socket, b"CONFIG SET appendfsync always\r\n")
        return started

    def _ensure(self, within: float) -> bool:
        if answers(self._home.socket) and self._has_guard():
            return False
        with self._home.lock("start") as start:
            if not start.take(within=within):
                raise RedisNotStarted(
                    self.url, "another process has been starting it", code="starting", hint=self._look
                )
            return self._ensure_alone(time.monotonic() + within)

    def close(self) -> None:
        """Let go of the server; it ends when nobody else uses it."""
        self._users.close()

    def __enter__(self) -> EmbeddedRedis:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -------------------------------------------------------------- under start.lock
    def _ensure_alone(self, deadline: float) -> bool:
        with self._home.lock("server") as server:
            # The server itself holds this lock: free means that no server has these data open, so a socket is stale.
            while not server.take():
                if answers(self._home.socket):
                    self._ensure_guard()
                    return False
                self._pause(deadline)
            self._start_server(server, deadline)
        return True

    def _ensure_guard(self) -> None:
        if not self._has_guard():
            self._start_guard(-1, [])

    def _start_server(self, server: Lock, deadline: float) -> None:
        binary = self._choose()
        self._home.record_writer(binary)
        self._home.socket.unlink(missing_ok=True)
        if self._home.log.exists() and self._home.log.stat().st_size > LOG_BYTES:
            self._home.log.unlink()
        self._start_guard(server.fd, self._command(binary))
        server.close()
        while not answers(self._home.socket):
            with self._home.lock("server") as ended:
                if ended.take() and not self._has_guard():
                    cause = f"{binary} ended at once:\n{self._home.log_tail()}"
                    raise RedisNotStarted(self.url, cause, code="ended", hint=self._look)
            self._pause(deadline)

    def _choose(self) -> RedisBinary:
        """The best program that reads the data; the sentence of the best one when none does."""
        refused: RedisNotStarted | None = None
        for binary in find_binaries():
            try:
                self._home.require_readable(binary, self.url)
            except RedisNotStarted as error:
                refused = refused or error
            else:
                return binary
        if refused:
            raise refused
        return find_binary()

    def _command(self, binary: RedisBinary) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._home.socket),
            "unixsocketperm": "600",
            "dir": str(self._home.data),
            "logfile": str(self._home.log),
            "appendonly": "yes",
            "appendfsync": "always" if self._strict else "everysec",
            "save": "",
            "maxmemory": "0",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [binary.path, *(word for name, value in options.items() for word in (f"--{name}", value))]

    def _start_guard(self, server_lock: int, command: list[str]) -> None:
        # -I -S: nothing of the user's environment may be imported, and nothing beyond the standard library is needed.
        words = [sys.executable, "-I", "-S", str(GUARD), str(self._home.folder), str(self._home.socket)]
        with open(self._home.log, "ab") as log:
            done = subprocess.run(
                [*words, self._recovery, str(server_lock), *command],
                env=loader_free(os.environ),
                cwd=self._home.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[server_lock] if server_lock >= 0 else [],
                start_new_session=True,
                check=False,
            )
        if done.returncode != 0:
            cause = f"its guard ended with {done.returncode}:\n{self._home.log_tail()}"
            raise RedisNotStarted(self.url, cause, code="guard", hint=self._look)

    def _has_guard(self) -> bool:
        with self._home.lock("guard") as guard:
            return not guard.take()

    def _pause(self, deadline: float) -> None:
        if time.monotonic() >= deadline:
            raise RedisUnreachable(
                self.url, "it runs but does not serve yet", away=True, code="loading", hint=self._look
            )
        time.sleep(0.005)

    @property
    def _look(self) -> str:
        return f"Its log is {self._home.log}."


def answers(path: Path) -> bool:
    """Say whether a server that serves listens on a socket; one that is still loading does not count."""
    return said(path, b"PING\r\n").startswith(b"+PONG")


def said(path: Path, line: bytes) -> bytes:
    """What a server on a socket answers to one line; nothing when none listens there."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.settimeout(1.0)
            server.connect(str(path))
            server.sendall(line)
            return server.recv(64)
    except OSError:
        return b""


def running_url(home: Path | str) -> str | None:
    """Give the address of the server of a home when one is running, without starting or holding it."""
    place = RedisHome.under(Path(home))
    return f"unix://{place.socket}" if answers(place.socket) else None
