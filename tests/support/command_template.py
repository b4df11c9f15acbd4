"""The process that the `headgate` commands of tests are forked from: loads everything, then forks per request."""

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import time

PACKAGES = ("queues", "orchestrator", "agent")
OF_FLOWS = "orchestrator.process"
"""Belongs to processes of flows, and is not loaded by a command."""


def serve() -> None:
    """Fork for every request until the other side is closed."""
    requests = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    load_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for watchers
    while True:
        request, fds, _, _ = socket.recv_fds(requests, 1 << 17, 4)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            watch(request, fds)
        for fd in fds:
            os.close(fd)


def load_everything() -> None:
    """Import what any command may import."""
    for package in map(importlib.import_module, PACKAGES):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and not found.name.startswith(OF_FLOWS):
                importlib.import_module(found.name)
    gc.collect()
    gc.freeze()


def watch(request: bytes, fds: list[int]) -> None:
    """Fork the command, tell its number, wait for it, tell its exit code as `subprocess` does."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    report = fds[3]
    pid = os.fork()
    if pid == 0:
        os.close(report)
        execute(json.loads(request), fds[:3])
    for fd in fds[:3]:
        os.close(fd)
    os.write(report, f"{pid} ".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(report, str(code).encode())
    os._exit(0)


def execute(request: dict[str, object], fds: list[int]) -> None:
    """Become the command."""
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    # What the interpreter makes of them at its start depends on what they are.
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[arg-type]
    time.tzset()
    sys.argv = ["headgate", *request["words"]]  # type: ignore[misc]
    from orchestrator.cli.main import main

    main()
