"""How long a flow's process lives when the flow does nothing, beside an interpreter that does nothing."""

import os
import socket
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

from agent.runners.bootstrap import command
from agent.runners.pack import Pack
from orchestrator.process import frames

PACK = Pack(above=2)
NOTHING = [sys.executable, "-c", "pass"]
NOOP_FLOW = textwrap.dedent("""
    from orchestrator import flow

    @flow
    def noop():
        pass
""")


def milliseconds(command: Sequence[str]) -> float:
    """From exec to exit of a command."""
    started = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ)
    os.waitpid(pid, 0)
    return 1000 * (time.perf_counter() - started)


def flow_milliseconds(path: Path) -> float:
    """From exec to exit of a flow's process, this process playing its agent."""
    ours, theirs = socket.socketpair()
    os.set_inheritable(theirs.fileno(), True)
    words = command(None, (theirs.fileno(),), pack=(PACK.fd, PACK.size))
    os.set_inheritable(PACK.fd, True)
    started = time.perf_counter()
    pid = os.posix_spawn(words[0], words, os.environ)
    theirs.close()
    with ours:
        frames.write_frame(ours.fileno(), "start", start_order(path))
        ended = converse(ours.fileno())
    os.waitpid(pid, 0)
    assert ended == "COMPLETED", f"expected the flow to be COMPLETED, got {ended}"
    return 1000 * (time.perf_counter() - started)


def start_order(path: Path) -> dict[str, object]:
    """What an agent tells the process of a run about it."""
    return {
        "version": frames.VERSION,
        "run_id": "00000000-0000-4000-8000-000000000000",
        "run_name": "bench",
        "attempt": 1,
        "deployment": "noop/bench",
        "path": str(path),
        "function": "noop",
        "folder": str(path.parent),
        "parameters": {},
        "timeout_seconds": None,
        "tags": [],
    }


def converse(fd: int) -> str | None:
    """Answer the process until it hangs up; the state it ended in."""
    state = None
    while received := frames.read_frame(fd):
        kind, body = received
        if kind == "hello":
            frames.write_frame(fd, "go", {})
        if kind == "result":
            state = str(body["state"])
    return state


def start_up(folder: Path, repetitions: int = 40) -> tuple[list[float], list[float]]:
    """Milliseconds of an empty interpreter, and how many a no-op flow takes beyond it, each time: tries in turn."""
    path = folder / "noop.py"
    path.write_text(NOOP_FLOW)
    flow_milliseconds(path)  # writes the bytecode
    pairs = [(milliseconds(NOTHING), flow_milliseconds(path)) for _ in range(repetitions)]
    return [nothing for nothing, _ in pairs], [flow - nothing for nothing, flow in pairs]
