"""Builds one environment: runs the tools, hears what they say, and tells why it did not work."""

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from agent.environments import stand_in, telling
from agent.environments.tools import REQUIREMENTS, Tools, build_environment
from agent.errors import PreparationFailed
from agent.needs import Progress
from orchestrator.deployments.requirements import variables_of

Hear = Callable[[str], object]
LONGEST_LINE = 4096


class Builder:
    """Makes environments on this machine, each within so many seconds."""

    def __init__(self, own: Mapping[str, str], *, host: str, seconds: float) -> None:
        self.seconds = seconds
        self._host = host
        self._tools = Tools.found(own)
        self._environment = build_environment(own, self._tools)

    def build(self, python: str | None, lines: Sequence[str], folder: Path, progress: Progress) -> None:
        """Fill an empty folder; raises PreparationFailed, and OSError when this machine has no room for it."""
        missing = [name for name in variables_of(list(lines)) if name not in self._environment]
        if missing:
            what = (
                f"its requirements name {', '.join(missing)}, which the environment of the agent on {self._host} lacks"
            )
            raise PreparationFailed(f"{what}; only variables that begin with PIP_ or UV_ are looked at", final=False)
        progress(f"installing {count_of(lines)} with {self._tools.name}")
        (folder / REQUIREMENTS).write_text(self._tools.file(lines))
        deadline = time.monotonic() + self.seconds
        for command in self._tools.commands(python, folder, lines):
            self._run(command, deadline, progress)
        stand_in.put_into(folder)

    def _run(self, command: Sequence[str], deadline: float, progress: Progress) -> None:
        kept: deque[str] = deque(maxlen=telling.MOST_LINES)

        def hear(line: str) -> None:
            kept.append(line)
            told = telling.progress_of(line)
            if told is not None:
                progress(told)

        code = run(command, self._environment, deadline, hear)
        if code == 0:
            return
        said = list(kept)
        where = f"its environment could not be built on {self._host}"
        if code is None:
            last = telling.plain(said[-1])[: telling.LONGEST_REASON] if said else "nothing"
            what = f"{where} within {self.seconds:g} s (HEADGATE_ENVIRONMENT_SECONDS); last was said: {last}"
            raise PreparationFailed(what, final=False)
        if telling.is_full(said):
            raise OSError(f"{where}: {telling.reason_of(said)}")
        if code < 0:
            name = signal.Signals(-code).name
            raise PreparationFailed(f"{where}: {Path(command[0]).name} was killed by {name}", final=False)
        raise PreparationFailed(f"{where}: {telling.reason_of(said)}", final=not telling.may_pass(said))


def count_of(lines: Sequence[str]) -> str:
    """How many packages are named, and the first of them."""
    names = [line.split("==")[0].split(" ")[0].split(";")[0] for line in lines if not line.startswith("-")]
    first = ", ".join(names[:3]) + (" …" if names[3:] else "")
    return f"{len(names)} package{'' if len(names) == 1 else 's'}: {first}"


def run(command: Sequence[str], environment: Mapping[str, str], deadline: float, hear: Hear) -> int | None:
    """Run a program in a process group of its own; its exit code, or None when it was ended at the deadline.

    Its end is not waited for at its output, which something that it has started may hold open. Nothing of its group is
    left afterwards.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )
    assert process.stdout is not None
    handle = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            os.set_blocking(process.stdout.fileno(), False)
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(handle, selectors.EVENT_READ)
            ended = listen(selector, process.stdout.fileno(), handle, deadline, hear)
    finally:
        # Not reaped yet: the number of the group is still its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        process.stdout.close()
        os.close(handle)
    return code if ended else None


def listen(selector: selectors.BaseSelector, output: int, handle: int, deadline: float, hear: Hear) -> bool:
    """Hear what comes until the process behind the handle ends; false at the deadline."""
    lines = Lines(hear)
    while (left := deadline - time.monotonic()) > 0:
        ready = {key.fd for key, _ in selector.select(left)}
        if output in ready and not lines.read(output) and handle not in ready:
            selector.unregister(output)
        if handle in ready:
            while lines.read(output):
                pass
            lines.end()
            return True
    lines.end()
    return False


class Lines:
    """Cuts what a program prints into lines; a carriage return ends one too, and so do 4096 bytes."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._rest = b""

    def read(self, output: int) -> bool:
        """Take what is there; false when there is nothing, or will be nothing any more."""
        try:
            data = os.read(output, 1 << 16)
        except BlockingIOError:
            return False
        *whole, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        for line in whole:
            self._tell(line)
        return bool(data)

    def end(self) -> None:
        """What is left is the last line."""
        self._tell(self._rest)

    def _tell(self, line: bytes) -> None:
        if line.strip():
            self._hear(line[:LONGEST_LINE].decode(errors="replace").rstrip())
