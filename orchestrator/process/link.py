"""The flow's end of the socket to its agent: whole frames in order, from any thread, even from signal handlers."""

import _thread
import os

from orchestrator.process import frames
from orchestrator.sdk.interrupts import uncut

GONE = 75  # exit code of a process whose agent has gone (EX_TEMPFAIL)


class Link:
    """One socket, one lock: what is printed, logged and reported arrives in the order in which it happened."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.open = True
        self._lock = _thread.allocate_lock()
        self._queued: list[bytes] = []
        os.set_inheritable(fd, False)
        os.register_at_fork(after_in_child=self._leave)

    def send(self, kind: str, body: dict[str, object]) -> None:
        """Send one frame, whole."""
        self.send_bytes(frames.frame(kind, body))

    def send_bytes(self, data: bytes) -> None:
        """Send an encoded frame; nothing happens in a forked child, which is not the flow's process any more."""
        if not self.open:
            return
        with uncut() as piece:
            if piece.nested:
                # A signal handler runs on top of this thread's own unfinished frame: its frame comes right after.
                self._queued.append(data)
                return
            with self._lock:
                self._write(data)
                while self._queued:
                    self._write(self._queued.pop(0))

    def receive(self) -> tuple[str, dict[str, object]] | None:
        """Wait for the agent's next frame; None when the agent has gone."""
        return frames.read_frame(self.fd)

    def _write(self, data: bytes) -> None:
        try:
            frames.write_all(self.fd, data)
        except OSError:
            die()

    def _leave(self) -> None:
        # A child of a child has left already, and may have a file of its own under this number.
        if self.open:
            self.open = False
            os.close(self.fd)


def die() -> None:
    """The agent is gone, and with it the right to run: end this process and what it has started, at once."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, 9)
    os._exit(GONE)
