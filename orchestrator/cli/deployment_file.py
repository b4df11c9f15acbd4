"""Loads a deployment file in a clean process of its own, so that the user's modules and ours never meet."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cli.failures import CommandError
from orchestrator.cli.process_manager import ending

LARGEST_FILE = 1 << 20
LARGEST_ANSWER = 64 << 20
LOADER = "import sys; from orchestrator.process.deploy import main; main(int(sys.argv[1]), sys.argv[2])"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a file declares: specs as they are stored, and sentences about what is likely not meant."""

    specs: list[dict[str, Any]]
    warnings: list[str]


def load(file: str, seconds: float) -> Loaded:
    """The deployments that a file declares; CommandError (exit code 2) says what is wrong with it, and where."""
    path = Path(os.path.abspath(file))  # noqa: PTH100  (no `..` left, and a link stays the link that was named)
    check(path)
    answer = ask(path, seconds)
    if (error := answer.get("error")) is not None:
        raise CommandError(
            error["message"],
            exit_code=2,
            code=error["code"],
            field=error["field"],
            hint=error["hint"],
            place=(error["file"], error["line"]),
            trace=error["traceback"],
        )
    return Loaded(specs=answer["specs"], warnings=answer["warnings"])


def check(path: Path) -> None:
    """Refuses what is no readable file of a sensible size, before anything waits for it."""
    try:
        found = path.stat()
    except OSError as error:
        raise refused(path, error.strerror or "cannot be found", nearest(path)) from None
    if not stat.S_ISREG(found.st_mode):
        if stat.S_ISDIR(found.st_mode):
            raise refused(path, "expected a Python file, got a folder", nearest(path))
        raise refused(path, "expected a Python file, got a pipe, socket or device")
    if found.st_size > LARGEST_FILE:
        raise refused(path, f"expected at most {LARGEST_FILE >> 20} MiB of Python, got {found.st_size:,} bytes")
    if not os.access(path, os.R_OK):
        raise refused(path, "may not be read by this user")


def nearest(path: Path) -> str | None:
    """A file that may have been meant."""
    folder = path if path.is_dir() else path.parent
    try:
        there = sorted(found.name for found in folder.iterdir() if found.suffix == ".py")
    except OSError:
        return None
    if near := difflib.get_close_matches(path.name, there, n=1):
        return f"did you mean {near[0]}?"
    return f"Python files there: {', '.join(there[:3])}" if there else None


def ask(path: Path, seconds: float) -> dict[str, Any]:
    """Starts the loader and waits for its answer; whatever the file has started ends with it."""
    deadline = time.monotonic() + seconds
    read, write = os.pipe()
    with open(read, "rb", buffering=0) as answers:
        loader = start_loader(path, write)
        os.close(write)
        try:
            line = first_line(answers.fileno(), deadline)
            if line == b"":
                wait_for_end(loader.pid, deadline)
        finally:
            # Not reaped yet, so the number is still its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(loader.pid, signal.SIGKILL)
            code = loader.wait()
    if line is None:
        hint = f"{seconds:g} s is the limit, which --timeout changes; work belongs into the flow, not beside it"
        raise refused(path, "is still being loaded", hint)
    if not line:
        raise refused(
            path, f"ended its process while it was loaded: it {ending(code)}", "something at its top exits or crashes"
        )
    answer: dict[str, Any] = json.loads(line)
    return answer


def start_loader(path: Path, answers: int) -> subprocess.Popen[bytes]:
    """Starts the process that loads the file, in the folder where its flows will run; what it prints goes to stderr."""
    return subprocess.Popen(
        [sys.executable, "-P", "-c", LOADER, str(answers), str(path)],
        cwd=path.parent,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        pass_fds=[answers],
        start_new_session=True,
    )


def first_line(descriptor: int, deadline: float) -> bytes | None:
    """The line that comes by the deadline; empty when the other side went without one, None when time is over."""
    line = bytearray()
    while (left := deadline - time.monotonic()) > 0 and len(line) < LARGEST_ANSWER:
        if not select.select([descriptor], [], [], left)[0]:
            break
        piece = os.read(descriptor, 1 << 16)
        line += piece
        if not piece:
            return b""
        if piece.endswith(b"\n"):
            return bytes(line)
    return None


def wait_for_end(pid: int, deadline: float) -> None:
    """Waits for the end of a child without reaping it."""
    while time.monotonic() < deadline and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.01)


def refused(path: Path, message: str, hint: str | None = None) -> CommandError:
    """The error of a file that can not be loaded."""
    return CommandError(message, exit_code=2, code="flow-file", field="FILE", hint=hint, place=(str(path), None))
