"""Processes that hold the embedded Redis, as `headgate start` or a single command does; a test may kill them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from queues.redis_home import RedisHome
from queues.redis_server import answers
from tests.support.redis_server import die_with_parent
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from queues.connection import connect
from queues.redis_server import EmbeddedRedis
held = EmbeddedRedis.acquire(sys.argv[1])
print(connect(held.url).info("server")["process_id"], flush=True)
sys.stdin.readline()
held.close()
"""


class User:
    """One process that holds the embedded Redis of a home from `server_pid()` on until `leave` or `kill`."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(home)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )

    def server_pid(self) -> int:
        """Wait until it holds the server; the process id of that."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.communicate()

    def leave(self) -> None:
        """Let go of the server and end."""
        self.process.communicate("\n", timeout=10)


def end_of_server(home: Path, within: float = 10.0) -> None:
    """Wait until no server runs on the data of a home, and its guard has written its last there."""
    place = RedisHome.under(home)

    def ended() -> bool:
        with place.lock("server") as server, place.lock("guard") as guard:
            return server.take() and guard.take() and not answers(place.socket)

    wait_until(ended, within=within, message="the embedded Redis to end")
