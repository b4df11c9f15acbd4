"""`headgate` commands for tests, without the start of an interpreter: forks of a process that has loaded everything.

The tests run a thousand commands, and nine tenths of each would be Python loading modules. A command is a process with
arguments, variables, folder, streams and an exit code of its own all the same. With `COLD_COMMANDS=1` (`make test-all`)
each is a fresh interpreter, and so is always one whose variables say how it is loaded.

    test ── request, stdin, stdout, stderr, report ──> template ── fork ──> watcher ── fork ──> command
         <─────────────── pid, then exit code ───────────────────────────────┘
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.support.redis_server import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-P", "-m", "orchestrator"]
OF_THE_INTERPRETER = ("PYTHON", "LC_", "LANG", "LD_", "MSGPACK_")
LONGEST_REQUEST = 100_000
"""Bytes that one message between processes may surely have."""
TEMPLATE = "from tests.support.command_template import serve; serve()"


def run_command(
    words: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdin: str = "", timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run one `headgate` command to its end, as `subprocess.run` would."""
    request = json.dumps({"words": list(words), "env": dict(env), "cwd": str(cwd)}).encode()
    if os.environ.get("COLD_COMMANDS") or len(request) > LONGEST_REQUEST or not template().fits(env):
        return subprocess.run(
            [*COMMAND, *words], env=env, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=timeout
        )
    code, out, err = template().run(request, stdin.encode(), time.monotonic() + timeout)
    if code is None:
        raise subprocess.TimeoutExpired([*COMMAND, *words], timeout, out, err)
    return subprocess.CompletedProcess([*COMMAND, *words], code, out.decode(), err.decode())


@cache
def template() -> Template:
    """The one of this process; it dies with it."""
    return Template()


class Template:
    """The process that forks; started by the main thread, whose end would take it along."""

    def __init__(self) -> None:
        assert threading.current_thread() is threading.main_thread(), "the first command is run by the main thread"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        variables = os.environ | {"PYTHONPATH": str(ROOT)}
        self._of_interpreter = concerning(variables)
        self._socket = ours
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", TEMPLATE],
            env=variables,
            stdin=theirs,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent,
        )
        theirs.close()
        atexit.register(self.close)

    def fits(self, env: Mapping[str, str]) -> bool:
        """Whether a command with these variables would be started by the same interpreter in the same way."""
        return concerning(env) == self._of_interpreter

    def run(self, request: bytes, stdin: bytes, until: float) -> tuple[int | None, bytes, bytes]:
        """The exit code, None for none in time, and all that was printed."""
        (out, out_end), (err, err_end), (report, report_end) = os.pipe(), os.pipe(), os.pipe()
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            socket.send_fds(self._socket, [request], [source.fileno(), out_end, err_end, report_end])
        for fd in (out_end, err_end, report_end):
            os.close(fd)
        read: dict[int, bytes] = {out: b"", err: b"", report: b""}
        for fd, data in parts([out, err, report], until):
            read[fd] += data
        for fd in read:
            os.close(fd)
        told = read[report].split()
        if len(told) == 1:
            os.kill(int(told[0]), signal.SIGKILL)
        return (int(told[1]) if len(told) == 2 else None), read[out], read[err]

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.kill()
        self._process.wait(10)


def parts(fds: list[int], until: float) -> Iterator[tuple[int, bytes]]:
    """What comes out of descriptors until all are at their end, or until the time is over."""
    left = set(fds)
    while left and (wait := until - time.monotonic()) > 0:
        for fd in select.select(left, (), (), wait)[0]:
            data = os.read(fd, 1 << 16)
            yield fd, data
            if not data:
                left.discard(fd)


def concerning(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that were looked at when everything was loaded."""
    return {name: value for name, value in env.items() if name.startswith(OF_THE_INTERPRETER)}
