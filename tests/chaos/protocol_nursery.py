"""The parent of all processes of the protocol chaos: starts roles by fork; a new interpreter would cost 0.3 s each.

One line of JSON per order on stdin (start, signal), one per event on stdout (started, gone, with the time at which it
was seen). Whoever started it closes stdin, and every role is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from agent.kernel import DeadManTimer, boot_time
from orchestrator.config import Settings
from orchestrator.scheduler.process import main as run_scheduler
from orchestrator.store import Store
from queues.connection import connect
from queues.errors import RedisFailure
from queues.recovery import Greeting, WindowLength
from tests.chaos.protocol_agent import GRACE, LEASE, ProtocolAgent
from tests.chaos.protocol_network import Network
from tests.support.redis_server import die_with_parent

STEP_SECONDS = 0.004
CUTS_PER_SECOND = 0.02


class Nursery:
    """Starts, signals and reaps; `names` are the roles that live."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.poll = select.poll()
        self.poll.register(0, select.POLLIN | select.POLLHUP)
        self.names: dict[str, tuple[int, int]] = {}
        self.of_fd: dict[int, str] = {}
        self.rest = b""

    def run(self) -> None:
        """Obey until stdin is closed."""
        try:
            while True:
                for fd, _ in self.poll.poll():
                    if fd in self.of_fd:
                        self._reap(fd)
                    elif not self._obey():
                        return
        finally:
            for pid, _ in self.names.values():
                os.kill(pid, signal.SIGKILL)

    def _obey(self) -> bool:
        got = os.read(0, 65536)
        *lines, self.rest = (self.rest + got).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if order["order"] == "start":
                self._start(order)
            elif order["name"] in self.names:
                os.kill(self.names[order["name"]][0], order["signal"])
        return bool(got)

    def _start(self, order: dict[str, Any]) -> None:
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            become(order, self.folder, parent)
        fd = os.pidfd_open(pid)
        self.names[order["name"]], self.of_fd[fd] = (pid, fd), order["name"]
        self.poll.register(fd, select.POLLIN)
        tell(event="started", name=order["name"], pid=pid)

    def _reap(self, fd: int) -> None:
        gone_at, name = time.monotonic(), self.of_fd.pop(fd)
        pid, _ = self.names.pop(name)
        _, status = os.waitpid(pid, 0)
        self.poll.unregister(fd)
        os.close(fd)
        tell(event="gone", name=name, pid=pid, mono=gone_at, status=os.waitstatus_to_exitcode(status))


def tell(**event: Any) -> None:
    """Write one line about what happened."""
    os.write(1, json.dumps(event).encode() + b"\n")


def become(order: dict[str, Any], folder: Path, parent: int) -> None:
    """Be the role that was ordered, in a process that was just forked, until its end."""
    code = 1
    try:
        die_with_parent()
        if os.getppid() != parent:  # it died before it could be said that this one is to die with it
            os._exit(code)
        log = os.open(folder / f"{order['name']}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, mine in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(fd, mine)
        if order["role"] == "agent":
            run_agent(order, folder)
        else:
            run_scheduler(Settings.load())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def run_agent(order: dict[str, Any], folder: Path) -> None:
    """Step an agent for ever; the kernel ends it with its first lease."""
    rng, clock, pid = random.Random(order["seed"]), time.monotonic, os.getpid()
    notes = os.open(folder / f"{order['name']}-{pid}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(kind: str, **fields: Any) -> None:
        os.write(notes, json.dumps({"kind": kind, **fields}).encode() + b"\n")

    returned: list[bool] = []
    greeting = Greeting(
        length=WindowLength(lease_seconds=LEASE, grace_seconds=GRACE), on_return=lambda: returned.append(True)
    )
    store = Store(connect(order["url"], greet=greeting, eager=False), silent_seconds=LEASE + GRACE)
    network = Network(rng, clock, note)
    agent = ProtocolAgent(store, order["name"], rng, network, note, clock, limit=8, pid=pid, long=0.04, wordy=0.1)
    timer, shift = DeadManTimer(), boot_time() - clock()
    while True:
        if returned:
            returned.clear()
            agent.renew_at = 0.0
        with contextlib.suppress(RedisFailure):
            agent.step()
        ends = agent.dead_man()
        timer.disarm() if ends is None else timer.set(ends + shift)
        if rng.random() < CUTS_PER_SECOND * STEP_SECONDS:
            network.cut_until = clock() + rng.choice((0.2, 1, 2, 3)) * LEASE
            note("fault", what="cut off agent", mono=clock(), detail={"agent": order["name"]})
        time.sleep(STEP_SECONDS)


if __name__ == "__main__":
    Nursery(Path(sys.argv[1])).run()
