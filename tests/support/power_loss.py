"""Power loss, emulated: the append-only file ends where it stood a moment before the server was killed.

The death of the process alone loses nothing that was acknowledged: the system still has the pages. So the length of the
file is noted all the time, and after kill -9 the file is cut to the length that it had so many seconds earlier.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from pathlib import Path

from tests.support.redis_server import RedisServer

EVERY_SECONDS = 0.01


class LogLengths(threading.Thread):
    """Notes how long the append-only file of a server is, until `leave`; before Redis 7 there is only one."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._over = threading.Event()
        self._noted: deque[tuple[float, int]] = deque(maxlen=1000)
        self.start()

    @property
    def file(self) -> Path:
        """The file that grows."""
        parts = sorted((self._server.folder / "appendonlydir").glob("*.incr.aof"))
        return parts[-1] if parts else self._server.folder / "appendonly.aof"

    def run(self) -> None:
        """Note until told to stop."""
        while not self._over.wait(EVERY_SECONDS):
            self.note()

    def note(self) -> int:
        """Note the length now."""
        try:
            length = self.file.stat().st_size
        except FileNotFoundError:
            return 0
        self._noted.append((time.monotonic(), length))
        return length

    def leave(self) -> None:
        """Note nothing more."""
        self._over.set()
        self.join(5)

    def lose(self, seconds: float) -> float:
        """Kill the server, and take the last `seconds` of its file with it; gives the moment of the cut."""
        self._server.kill()
        killed = time.monotonic()
        self._over.set()
        cut, length = max((noted for noted in self._noted if noted[0] <= killed - seconds), default=self._noted[0])
        os.truncate(self.file, length)
        return cut

    def lose_beyond(self, length: int, share: float) -> int:
        """Kill the server, and keep of what follows `length` in its file only a share; gives how many bytes went."""
        self._server.kill()
        self._over.set()
        whole = self.file.stat().st_size
        kept = length + int((whole - length) * share)
        os.truncate(self.file, kept)
        return whole - kept
