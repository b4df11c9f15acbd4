"""The physical limit of runs per second: claim, launch nothing, wait for it, finish; in one process with no product.

`interpreter` starts a fresh Python per item, `fork` forks a process that has already loaded what an agent loads.
Every rate of Headgate is judged as a share of these, taken in the same minute on the same Redis.
"""

import importlib
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Protocol

import redis as redis_py

SCRIPTS = Path(__file__).parent / "lua"
WAITING, HOLDERS, RECORDS = "bare:waiting", "bare:holders", "bare:record:"
# Together about the 40 MB that an agent's process has.
PRELOADED = ("click", "croniter", "msgpack", "rq", "structlog")


class Launcher(Protocol):
    """Starts an empty process per item and says whose has ended."""

    def launch(self, item: bytes) -> None:
        """Start the process of an item."""

    def ended(self) -> bytes:
        """Block until one of the started processes has ended, and name its item."""


class InterpreterLauncher:
    """A fresh interpreter per item."""

    def __init__(self) -> None:
        self.items: dict[int, bytes] = {}

    def launch(self, item: bytes) -> None:
        """Start `python -c pass`."""
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], os.environ)
        self.items[pid] = item

    def ended(self) -> bytes:
        """Wait for any of them; a child that is not ours to count is passed over."""
        while True:
            pid, _ = os.waitpid(-1, 0)
            if pid in self.items:
                return self.items.pop(pid)


class ForkLauncher:
    """A fork per item, from a process that has loaded the libraries before."""

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.template = os.fork()
        if self.template == 0:
            self.ours.close()
            _serve_forks(theirs)
        theirs.close()
        self.launch(b"warm-up")
        self.ended()

    def launch(self, item: bytes) -> None:
        """Ask the template for a fork."""
        self.ours.send(item)

    def ended(self) -> bytes:
        """The fork says whose it was with its last breath."""
        return self.ours.recv(4096)

    def close(self) -> None:
        """Hang up, which ends the template."""
        self.ours.close()
        os.waitpid(self.template, 0)


def _serve_forks(orders: socket.socket) -> None:
    """The template's life: load, then one fork per order, until the other side hangs up."""
    for name in PRELOADED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the forks
    while order := orders.recv(4096):
        if os.fork() == 0:
            orders.send(order)
            os._exit(0)
    os._exit(0)


def runs_per_second(client: redis_py.Redis, launcher: Launcher, *, runs: int, slots: int) -> float:
    """Items taken through claim, process and finish per second, with at most `slots` at a time."""
    claim = client.script_load((SCRIPTS / "bare_claim.lua").read_text())
    finish = client.script_load((SCRIPTS / "bare_finish.lua").read_text())
    client.delete(WAITING, HOLDERS)
    client.rpush(WAITING, *range(runs))
    live = done = 0
    started = time.perf_counter()
    while done < runs:
        while live < slots and (item := client.evalsha(claim, 3, WAITING, HOLDERS, RECORDS, slots, time.time())):
            launcher.launch(item)
            live += 1
        item = launcher.ended()
        client.evalsha(finish, 2, HOLDERS, RECORDS, item, time.time())
        live, done = live - 1, done + 1
    rate = runs / (time.perf_counter() - started)
    client.delete(WAITING, HOLDERS, *(f"{RECORDS}{number}" for number in range(runs)))
    return rate


def interpreter_rate(client: redis_py.Redis, *, runs: int, slots: int) -> float:
    """Runs per second with a fresh interpreter for each."""
    return runs_per_second(client, InterpreterLauncher(), runs=runs, slots=slots)


def fork_rate(client: redis_py.Redis, *, runs: int, slots: int) -> float:
    """Runs per second with a fork of a preloaded process for each."""
    launcher = ForkLauncher()
    try:
        return runs_per_second(client, launcher, runs=runs, slots=slots)
    finally:
        launcher.close()
