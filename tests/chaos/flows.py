"""The flows that agents run under chaos. Each attempt takes a lock of its run's own and notes its start and its end.

A second attempt that does not get the lock overlaps with the first one.
"""

import fcntl
import os
import signal
import sys
import time
import zlib

from orchestrator import flow
from orchestrator.sdk.context import get_run_context

FOLDER = os.environ.get("CHAOS_FOLDER", ".")
RUN = os.environ.get("HEADGATE_RUN_ID", "")


class Attempt:
    """One attempt of this process's run: `with Attempt():` around what the flow does."""

    def __enter__(self):
        self.number = get_run_context().flow_run.attempt
        self.lock = os.open(f"{FOLDER}/locks/{RUN}", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.note("overlaps", "overlap")
        self.note("flows/notes", "start")
        return self

    def __exit__(self, *_):
        self.note("flows/notes", "stop")

    def note(self, where, what):
        """Append one line to a file of all flows, with one write; the agent's token is not known here."""
        line = f"{what} {RUN} {self.number} 0 {time.monotonic():.6f} {os.getpid()}\n"
        notes = os.open(f"{FOLDER}/{where}", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        os.write(notes, line.encode())
        os.close(notes)

    def say(self, count):
        """Print so many numbered lines."""
        for number in range(1, count + 1):
            print("line", self.number, number)


@flow
def quick():
    """Ends at once."""
    with Attempt() as attempt:
        attempt.say(3)


@flow
def nap(seconds: float = 0.3):
    """Takes a while."""
    with Attempt() as attempt:
        attempt.say(10)
        time.sleep(seconds)


@flow
def flaky():
    """Fails at two of five attempts, each time the same for the same run."""
    with Attempt() as attempt:
        attempt.say(2)
        if zlib.crc32(f"{RUN} {attempt.number}".encode()) % 5 < 2:
            raise RuntimeError("this attempt was to fail")


@flow
def target(seconds: float = 4.0):
    """Is there to be cancelled."""
    with Attempt() as attempt:
        attempt.say(2)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.05)


@flow
def hostile(seconds: float = 0.3):
    """Ignores SIGTERM and leaves a daemon behind: forked twice, in a session of its own, ignoring SIGTERM as well."""
    with Attempt() as attempt:
        attempt.say(2)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.stdout.flush()
        if os.fork() == 0:
            os.setsid()
            os.close(
                attempt.lock
            )  # the daemon of a dead machine is ended before its name is taken, not before the lease
            if os.fork() == 0:
                time.sleep(600)
            os._exit(0)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.05)
