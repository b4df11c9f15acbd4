"""A command on a terminal of its own: what it draws, keys pressed there, signals as a person causes them."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.waiting import wait_until


class Terminal:
    """Starts a command whose standard streams, or all but stdout, are a terminal so many columns wide."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, columns: int = 100
    ) -> None:
        self.keyboard, screen = pty.openpty()
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=screen,
            stdout=screen,
            stderr=screen,
            env={name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")},
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(screen)
        self.drawn = b""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        os.close(self.keyboard)

    def screen(self) -> str:
        """Everything that was written so far, line ends as programs write them."""
        while select.select([self.keyboard], [], [], 0)[0]:
            try:
                self.drawn += os.read(self.keyboard, 65536)
            except OSError:  # nobody holds the other side any more
                break
        return self.drawn.decode(errors="replace").replace("\r\n", "\n")

    def shows(self, text: str, within: float = 20.0) -> str:
        """Wait until a text was written; answers everything so far."""
        wait_until(lambda: text in self.screen(), within, message=self.screen)
        return self.screen()

    def press(self, keys: str) -> None:
        """Type; `\\x03` is Ctrl-C."""
        os.write(self.keyboard, keys.encode())

    def ends(self, within: float = 20.0) -> int:
        """Wait for the end of the command and answer its exit code; what it draws meanwhile is read."""
        until = time.monotonic() + within
        while self.process.poll() is None and time.monotonic() < until:
            select.select([self.keyboard], [], [], 0.05)
            self.screen()
        self.screen()
        return self.process.wait(1)
