"""Keeps a few child processes alive in the foreground, and ends them all at one Ctrl-C.

Duties:
1. Start every part in a session of its own: Ctrl-C of the terminal reaches this process only, which then decides.
2. Start a part again when it dies, with a line that says so and a growing pause while it keeps dying.
3. Give up when a part refuses to start (bad input is not cured by trying again).
4. On SIGINT, SIGTERM or SIGHUP: SIGTERM to all; a second signal is passed on; who is left after `patience` is killed.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REFUSALS = (2, 3, 4)
"""Exit codes that mean "this can not work": usage, not found, refused by state."""
EARLY_SECONDS = 5.0
STEADY_SECONDS = 60.0
LONGEST_PAUSE = 30.0
PR_SET_PDEATHSIG = 1


@dataclass(kw_only=True)
class Part:
    """One child process: how to start it, and how it has fared."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    start_at: float = field(default=0.0)

    def start(self, now: float) -> int:
        """Starts the child and answers its pid; it gets a SIGTERM should this process die without a word."""
        self.process = subprocess.Popen(
            list(self.command),
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            start_new_session=True,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )
        self.started = now
        return self.process.pid

    def signal(self, number: int) -> None:
        """Sends a signal to the child alone, which passes on what its own children must know."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Ends the child and everything in its session's first group."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def pid(self) -> int:
        """The child's process id; 0 when there is none."""
        return self.process.pid if self.process is not None else 0

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self.process is not None and self.process.poll() is None

    def pause_after_death(self, now: float) -> float:
        """Seconds to wait before the next start: none at first, doubling while it dies young."""
        self.deaths = 1 if now - self.started >= STEADY_SECONDS else self.deaths + 1
        pause = 0.0 if self.deaths == 1 else min(LONGEST_PAUSE, 0.5 * 2 ** (self.deaths - 2))
        self.start_at = now + pause
        return pause


class ProcessManager:
    """Runs parts until a signal comes; see the module for its duties."""

    def __init__(
        self,
        parts: Sequence[Part],
        say: Callable[[str], None],
        *,
        watch: Callable[[], None] = lambda: None,
        patience: float = 4.3,
    ) -> None:
        self.parts = parts
        self.say = say
        self.watch = watch
        self.patience = patience
        self.signals = 0
        self.exit_code = 0
        self.wake_read, self.wake_write = os.pipe()

    def run(self, started: Callable[[], None] = lambda: None) -> int:
        """Starts all parts, calls `started`, and keeps them alive until told to stop; answers the exit code."""
        self.listen()
        try:
            for part in self.parts:
                part.start(time.monotonic())
            started()
            while not self.signals and not self.exit_code:
                self.wait(1.0)
                self.watch()
                for part in self.parts:
                    self.look_after(part, time.monotonic())
        finally:
            self.stop()
        return self.exit_code

    def listen(self) -> None:
        """Takes signals as bytes on a pipe, so that waiting ends at once and no handler runs inside other code."""
        os.set_blocking(self.wake_write, False)
        os.set_blocking(self.wake_read, False)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)

    def wait(self, seconds: float) -> None:
        """Waits for a signal, a child's end, or `seconds`."""
        if not select.select([self.wake_read], [], [], max(0.0, seconds))[0]:
            return
        for number in os.read(self.wake_read, 64):
            if number in STOP_SIGNALS:
                self.signals += 1

    def look_after(self, part: Part, now: float) -> None:
        """Starts a part again if it has died and its pause is over."""
        if part.alive or self.signals:
            return
        if part.process is not None:
            code = part.process.returncode
            if code in REFUSALS and now - part.started < EARLY_SECONDS:
                self.exit_code = code
                return
            pause = part.pause_after_death(now)
            when = f"; starting it again in {pause:g} s" if pause else ""
            self.say(f"{part.name} (pid {part.process.pid}) {ending(code)}{when}")
            part.process = None
        if now >= part.start_at:
            self.say(f"{part.name} started again, pid {part.start(now)}")

    def stop(self) -> None:
        """Ends every part: SIGTERM, SIGTERM again at a further signal, SIGKILL after `patience` seconds."""
        if self.signals:
            self.say("ending: runs get a moment; a second Ctrl-C gives them none")
        deadline = time.monotonic() + self.patience
        for part in self.parts:
            part.signal(signal.SIGTERM)
        seen = self.signals
        while any(part.alive for part in self.parts) and (left := deadline - time.monotonic()) > 0:
            self.wait(min(left, 0.5))
            if self.signals > seen:
                seen = self.signals
                for part in self.parts:
                    part.signal(signal.SIGTERM)
        for part in self.parts:
            if part.alive:
                self.say(f"{part.name} did not end in {self.patience:g} s and is killed")
                part.kill()


def die_with_parent() -> None:
    """Asks the kernel for a SIGTERM at the death of the parent; runs between fork and exec."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


LIBC = ctypes.CDLL(None, use_errno=True)


def ending(code: int) -> str:
    """How a child ended, in words."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
