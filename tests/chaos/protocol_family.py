"""The processes of the protocol chaos as their harness sees them: who lives, who has gone, and when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.chaos.history import Record
from tests.chaos.protocol_agent import GRACE, LEASE, RENEW
from tests.support.installation import ROOT
from tests.support.redis_server import die_with_parent
from tests.support.waiting import wait_until


class Family:
    """The nursery and what it said: which roles live, which have gone and when."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        settings = {"REDIS_URL": url, "HOME": str(folder / "home"), "LEASE_SECONDS": LEASE, "RENEW_SECONDS": RENEW}
        settings |= {"GRACE_SECONDS": GRACE}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
        environment |= {f"HEADGATE_{name}": str(value) for name, value in settings.items()} | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.chaos.protocol_nursery", str(folder)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, preexec_fn=die_with_parent, **pipes)
        self.alive: dict[str, int] = {}
        self.gone: list[Record] = []
        self._lost: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(self, role: str, name: str, seed: int) -> None:
        """Start a role."""
        self._order(order="start", role=role, name=name, seed=seed, url=self.url)

    def send(self, name: str, number: int) -> None:
        """Send a signal to a role, if it lives."""
        self._order(order="signal", name=name, signal=number)

    def take_lost(self) -> list[str]:
        """The roles that ended since the last call."""
        lost, self._lost = self._lost, []
        return lost

    def close(self) -> None:
        """Kill every role, and wait for the last word."""
        assert self.process.stdin is not None
        for name in [*self.alive]:
            self.send(name, signal.SIGKILL)
        wait_until(lambda: not self.alive, within=10, message="the roles to end")
        self.process.stdin.close()
        self.process.wait(10)
        self._listener.join(10)

    def _order(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "started":
                self.alive[event["name"]] = event["pid"]
            else:
                self.alive.pop(event["name"], None)
                self.gone.append(event)
                self._lost.append(event["name"])
