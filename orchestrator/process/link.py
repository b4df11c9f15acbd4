"""The flow's end of the socket to its agent: whole frames in order, from any thread, even from signal handlers."""

import _thread
import os

from orchestrator.process import frames
from orchestrator.sdk.interrupts import uncut

GONE = 75  # exit code of a process whose agent has gone (EX_TEMPFAIL)
SOON_SECONDS = 0.005
MOST_WAITING = 32 * 1024


class Link:
    """One socket, one lock: what is printed, logged and reported arrives in the order in which it happened."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.open = True
        self._lock = _thread.allocate_lock()
        self._queued: list[bytes] = []
        self._soon: list[bytes] = []
        self._soon_bytes = 0
        self._wake: _thread.LockType | None = None
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

    def send_soon(self, data: bytes) -> None:
        """Send an encoded frame within 5 ms, with all that come meanwhile; never after one that is sent later.

        For what comes by the thousand and nobody waits for. What a process that dies at once had kept back is lost.
        """
        if not self.open:
            return
        with uncut() as piece:
            if piece.nested:
                self._queued.append(data)
                return
            with self._lock:
                self._soon.append(data)
                self._soon_bytes += len(data)
                if self._soon_bytes >= MOST_WAITING:
                    self._write(b"")
                elif len(self._soon) == 1:
                    self._awaken()

    def receive(self) -> tuple[str, dict[str, object]] | None:
        """Wait for the agent's next frame; None when the agent has gone."""
        return frames.read_frame(self.fd)

    def _write(self, data: bytes) -> None:
        """Write what was kept back, then this, then what signal handlers said meanwhile."""
        if self._soon:
            data, self._soon, self._soon_bytes = b"".join([*self._soon, data]), [], 0
        try:
            if data:
                frames.write_all(self.fd, data)
            while self._queued:
                frames.write_all(self.fd, self._queued.pop(0))
        except OSError:
            die()

    def _awaken(self) -> None:
        """Have what is kept back sent by a thread of its own, which sleeps while there is nothing."""
        if self._wake is not None:
            if self._wake.locked():
                self._wake.release()
            return
        wake = _thread.allocate_lock()
        try:
            _thread.start_new_thread(self._send_later, (wake,))
            self._wake = wake
        except RuntimeError:  # the host refuses more threads
            self._write(b"")

    def _send_later(self, wake: "_thread.LockType") -> None:
        pause = _thread.allocate_lock()
        pause.acquire()
        while self.open:
            pause.acquire(timeout=SOON_SECONDS)
            with self._lock:
                self._write(b"")
            wake.acquire()

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
