"""A flow's process as its agent sees it: started over a socketpair, with its frames and its pipes collected."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.runners.bootstrap import command
from agent.runners.pack import Pack
from orchestrator.process import frames


@dataclass
class FlowProcess:
    """One child of the wire, driven step by step; closed by `with`."""

    path: Path
    function: str = "main"
    parameters: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    python: str | None = None
    life_pipe: bool = False
    pack: Pack | None = None

    def __enter__(self) -> "FlowProcess":
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.frames: list[tuple[str, dict[str, Any]]] = []
        self._splitter = frames.Splitter()
        fds = [theirs.fileno()]
        if self.life_pipe:
            read, self.life = os.pipe()
            fds.append(read)
        lent = [] if self.pack is None else [self.pack.fd]
        self.process = subprocess.Popen(
            command(self.python, tuple(fds), pack=None if self.pack is None else (self.pack.fd, self.pack.size)),
            pass_fds=fds + lent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.env},  # as agents set it
            cwd=self.path.parent,
            start_new_session=True,
        )
        theirs.close()
        assert self.process.stdout is not None and self.process.stderr is not None
        self._numbers = {1: self.process.stdout.fileno(), 2: self.process.stderr.fileno()}
        self.pipes = dict.fromkeys(self._numbers.values(), b"")
        self._ended: dict[int, bytes] = {}
        for pipe in self.pipes:
            os.set_blocking(pipe, False)
        if self.life_pipe:
            os.close(fds[1])
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.socket.close()
        self._ended.update(self.pipes)
        self.pipes.clear()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        if self.life_pipe:
            os.close(self.life)

    def send(self, kind: str, **body: Any) -> None:
        self.socket.sendall(frames.frame(kind, body))

    def send_start(self) -> None:
        body = {
            "version": frames.VERSION,
            "run_id": "7f1c2f6e-0000-5000-8000-000000000001",
            "run_name": "quiet-otter-1",
            "attempt": 1,
            "deployment": "main/test",
            "path": str(self.path),
            "function": self.function,
            "folder": str(self.path.parent),
            "parameters": self.parameters,
            "timeout_seconds": None,
            "tags": [],
        }
        self.send("start", **{**body, **self.start})

    def receive(self, timeout: float = 20.0) -> bool:
        """Take in what the child sends next, by the socket and by its pipes; False at the socket's end."""
        ready, _, _ = select.select([self.socket, *self.pipes], [], [], timeout)
        assert ready, f"the flow's process said nothing for {timeout} s; so far: {self.frames}"
        for pipe in [each for each in self.pipes if each in ready]:
            self._take_in(pipe)
        if self.socket not in ready:
            return True
        data = self.socket.recv(1 << 20)
        self.frames += self._splitter.feed(data)
        return bool(data)

    def _take_in(self, pipe: int) -> None:
        try:
            data = os.read(pipe, 1 << 20)
        except BlockingIOError:
            return
        self.pipes[pipe] += data
        if not data:
            self._ended[pipe] = self.pipes.pop(pipe)

    def until(self, kind: str, count: int = 1, timeout: float = 20.0) -> dict[str, Any]:
        """The body of the nth frame of a kind, waited for."""
        deadline = time.monotonic() + timeout
        while len(self.of(kind)) < count and self.receive(max(0.01, deadline - time.monotonic())):
            pass
        assert len(self.of(kind)) >= count, f"no {kind} frame {count} in {self.frames}; stderr: {self.errors()}"
        return self.of(kind)[count - 1]

    def go(self) -> "FlowProcess":
        """Start and go, as an agent does after it has confirmed the claim."""
        self.until("hello")
        self.send_start()
        self.send("go")
        return self

    def finish(self, timeout: float = 20.0) -> dict[str, Any]:
        """Run to the end; the body of the result frame, or {} when there was none."""
        deadline = time.monotonic() + timeout
        while self.receive(max(0.01, deadline - time.monotonic())):
            pass
        self.process.wait(timeout)
        self.printed(1), self.printed(2)
        results = self.of("result")
        return results[-1] if results else {}

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [body for each, body in self.frames if each == kind]

    def said(self) -> list[str]:
        """Everything printed and logged over the wire, in order, as text."""
        texts = [body.get("text", body.get("message", "")) for kind, body in self.frames if kind in ("out", "log")]
        return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts).splitlines()

    def printed(self, descriptor: int = 1) -> str:
        """What has come by the pipe of descriptor 1 or 2, that is from C code, subprocesses and forked children."""
        pipe = self._numbers[descriptor]
        while pipe in self.pipes and select.select([pipe], [], [], 0)[0]:
            self._take_in(pipe)
        return self.pipes.get(pipe, self._ended.get(pipe, b"")).decode(errors="replace")

    def errors(self) -> str:
        return self.printed(2)


def run_flow(path: Path, **options: Any) -> tuple[dict[str, Any], FlowProcess]:
    """Run a file's flow in its own process to the end: the result frame and all that came with it."""
    with FlowProcess(path, **options) as child:
        result = child.go().finish()
    return result, child


def write_flow(folder: Path, body: str, name: str = "flow.py") -> Path:
    """A flow file with the usual imports before the given text."""
    path = folder / name
    path.write_text(f"from orchestrator import flow, get_run_logger, task\n{body}")
    return path
