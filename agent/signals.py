"""Signals as messages: the handlers do nothing, the kernel's word arrives in the loop as a byte on a pipe."""

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress

END = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
KEEPER_DIED = signal.SIGUSR2
"""What the kernel sends to a supervisor whose keeper has ended."""


class Signals:
    """Catches signals from its making on; `deal` passes them on, each to what was asked for."""

    def __init__(self) -> None:
        self.fd, write = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (*END, KEEPER_DIED, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    def deal(self, calls: Mapping[int, Callable[[], object]]) -> None:
        """Call what belongs to each signal that came; many of the same between two looks may count as one."""
        numbers = b""
        with suppress(BlockingIOError):
            numbers = os.read(self.fd, 4096)
        # A storm of SIGCHLD is one visit to the dead.
        for number in sorted(set(numbers)):
            for _ in range(1 if number == signal.SIGCHLD else numbers.count(number)):
                calls.get(number, int)()
