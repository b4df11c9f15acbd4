"""What a deployment file declares, found out by a process of its own: this one never runs a line of the user's code.

The file is looked at first: nothing that is no Python text of a sensible size is handed to an interpreter, and
nothing here can hang on a pipe or a device.
"""

import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.deployments.source_text import LARGEST_FILE, python_text, unfit
from orchestrator.errors import InvalidFlowFile, did_you_mean

IMPORT_SECONDS = 30.0
LARGEST_ANSWER = 16 * 1024 * 1024
ENDING_SECONDS = 1.0
CODE = "import sys; from orchestrator.process.deploy import main; main(int(sys.argv[1]), sys.argv[2])"
# As for a run: neither what finds modules elsewhere, nor where Headgate keeps its data and passwords.
KEPT_BACK = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT")


@dataclass(frozen=True, kw_only=True)
class DeploymentFile:
    """What a file declares: specs as DeploymentSpec.to_dict() gives them, and sentences about what may surprise."""

    path: str
    specs: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]


def load(file: str | os.PathLike[str], *, seconds: float = IMPORT_SECONDS) -> DeploymentFile:
    """The deployments of a file, loaded in a process of its own, which has so many seconds.

    Raises InvalidFlowFile; its notes hold the traceback of the user's code, where there is one.
    """
    path = os.path.abspath(os.fspath(file))  # noqa: PTH100  (not resolved: agents may see the same link)
    python_text(path, content(path))
    answer = asked(path, seconds)
    if "error" in answer:
        raise failed(answer["error"], path)
    return DeploymentFile(path=path, specs=tuple(answer["specs"]), warnings=tuple(answer["warnings"]))


def content(path: str) -> bytes:
    """The bytes of a regular file of at most 1 MB."""
    if "\0" in path:
        raise unfit(path, "has NUL in its name")
    try:
        # Not blocking: opening a pipe would otherwise wait for somebody to write into it.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        refuse_unfit(path, os.fstat(fd))
        with open(fd, "rb", closefd=False) as file:
            return file.read(LARGEST_FILE + 1)
    finally:
        os.close(fd)


def refuse_unfit(path: str, status: os.stat_result) -> None:
    """Raise for what is no Python file of a sensible size."""
    if stat.S_ISDIR(status.st_mode):
        raise unfit(path, "is a folder", in_folder(path))
    if not stat.S_ISREG(status.st_mode):
        raise unfit(path, "is a pipe, socket or device", "name a Python file (….py)")
    if not path.endswith(".py"):
        raise unfit(path, "is no Python file", "name a file that ends in .py")
    if status.st_size > LARGEST_FILE:
        raise unfit(path, f"has {status.st_size:,} bytes, allowed are {LARGEST_FILE:,}", "keep data in other files")


def unreadable(path: str, error: OSError) -> InvalidFlowFile:
    """The error of a file that can not be opened."""
    folder = Path(path).parent
    if isinstance(error, FileNotFoundError):
        there = [entry.name for entry in folder.glob("*.py")] if folder.is_dir() else []
        return unfit(path, "is not there", did_you_mean(Path(path).name, there) or "name a Python file (….py)")
    if isinstance(error, IsADirectoryError):
        return unfit(path, "is a folder", in_folder(path))
    return unfit(path, f"can not be read: {error.strerror}", "check the path and its owner")


def in_folder(path: str) -> str:
    """What to name instead of a folder."""
    files = sorted(entry.name for entry in Path(path).glob("*.py") if entry.is_file())[:5]
    return f"name a Python file in it, such as {', '.join(files)}" if files else "name a Python file"


def asked(path: str, seconds: float, code: str = CODE, *words: str) -> dict[str, Any]:
    """The answer of a process that loads the file; whatever that process has started in its session is ended."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(writing), path, *words],
            pass_fds=(writing,),
            stdin=subprocess.DEVNULL,
            stdout=2,  # what the file prints is no answer of ours
            cwd=Path(path).parent,
            env=environment(os.environ),
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        line = received(reading, time.monotonic() + seconds)
        if line is None:
            raise too_slow(path, seconds)
        return understood(line, process, path)
    finally:
        os.close(reading)
        end(process)


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What the process that loads the file finds in its environment."""
    return {name: value for name, value in own.items() if name not in KEPT_BACK and not name.startswith("HEADGATE_")}


def received(fd: int, deadline: float) -> bytes | None:
    """One line, or what came before the end or the limit; None at the deadline.

    The end of the pipe is not waited for: something that the file has started may hold it open.
    """
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    found = bytearray()
    while not found.endswith(b"\n") and len(found) <= LARGEST_ANSWER:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return None
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            break
        found += chunk
    return bytes(found)


def understood(line: bytes, process: subprocess.Popen[bytes], path: str) -> dict[str, Any]:
    """The answer in a line; what is none is explained by how the process ended."""
    if len(line) > LARGEST_ANSWER:
        raise unfit(
            path, f"declares more than {LARGEST_ANSWER // 1024 // 1024} MiB of deployments", "keep data in files"
        )
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and ("error" in answer or {"specs", "warnings"} <= answer.keys()):
        return answer
    end(process, ENDING_SECONDS)
    code = process.returncode
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    hint = "the file is run when it is deployed: it must not exit, or end its own process"
    raise InvalidFlowFile(
        f"the process that loaded the file {how} without an answer", code="exit", file=path, hint=hint
    )


def end(process: subprocess.Popen[bytes], seconds: float = 0.0) -> None:
    """End the process and all in its session, after so many seconds to end by itself."""
    if process.returncode is not None:
        return
    deadline = time.monotonic() + seconds
    # Looked at without reaping: until it is reaped the number is its own, and no stranger is killed.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() >= deadline:
            break
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def too_slow(path: str, seconds: float) -> InvalidFlowFile:
    """The error of a file that does not come to its end."""
    return InvalidFlowFile(
        f"loading the file took longer than {seconds:g} s",
        code="slow",
        file=path,
        hint='move work into the flow, or below `if __name__ == "__main__":`; --timeout gives it longer',
    )


def failed(told: Mapping[str, Any], path: str) -> InvalidFlowFile:
    """The error that the process reports."""
    error = InvalidFlowFile(
        str(told.get("message")),
        code=str(told.get("code") or "flow-file"),
        field=told.get("field"),
        hint=told.get("hint"),
        file=told.get("file") or path,
        line=told.get("line"),
    )
    if told.get("traceback"):
        error.add_note(f"\nin the process that loaded the file:\n{told['traceback']}")
    return error
