"""The outer process of an agent: small, single-threaded, without Redis. It starts the supervisor and outlives it.

Duties:
1. Start the supervisor in a session of its own, so that Ctrl-C of a terminal reaches the keeper only.
2. Pass SIGTERM, SIGINT and SIGHUP on as SIGTERM; a second one makes the supervisor stop waiting for its runs.
3. When the supervisor dies, kill whatever is left of its tree (this process adopts every orphan below it) and of its
   control group, then start it again: after 0.25 s, doubling to 30 s while it keeps dying, anew once one lived 60 s.
4. End with the supervisor's exit code when that was a clean end (0) or a refusal that a new try cannot cure (2 to 5).
5. Reap every child, also as process 1 of a container.

`agent.options.AgentOptions` says how it is started; it reaches the supervisor unread, in the environment.
When the keeper itself dies, the supervisor notices, kills its runs and ends (`agent.process`).
"""

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from agent.control_group import ControlGroup, group_of_supervisor
from agent.kernel import adopt_orphans, boot_time, hide_memory, own_children

KEEPER_VARIABLE = "HEADGATE_KEEPER"
"""Where the supervisor reads `<keeper's pid>/<how often a supervisor died before it>`."""

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WAITED = (*FORWARDED, signal.SIGCHLD)
FINAL = (0, 2, 3, 4, 5)
"""Exit codes after which the supervisor is not started again: done, usage, not found, refused, Redis unreachable."""

UNFIT = 2
"""The exit code where an agent can not work at all."""

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0
SUPERVISOR = "from agent.process import main; main()"


def main() -> NoReturn:
    """Keep a supervisor running until it ends cleanly or a signal ends it."""
    sys.exit(Keeper().run())


def next_pause(previous: float, lived: float) -> float:
    """Seconds to wait before the next start, after a supervisor that lived for `lived` seconds."""
    if previous == 0.0 or lived >= STEADY_SECONDS:
        return FIRST_PAUSE
    return min(LONGEST_PAUSE, 2 * previous)


def how_it_ended(code: int) -> str:
    """The end of a process in words; `code` as `os.waitstatus_to_exitcode` gives it."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def exit_code(code: int) -> int:
    """The keeper's exit code after its last supervisor; one that SIGTERM ended had not begun to work yet."""
    if code >= 0:
        return code
    return 0 if code == -signal.SIGTERM else 128 - code


class Keeper:
    """One supervisor after the other; see the module for the duties."""

    def __init__(self) -> None:
        self.asked_to_end = False
        self.deaths = 0
        self.supervisor = 0
        self.group: ControlGroup | None = None
        # Children that came with an exec, such as the guard of an embedded Redis, are not the supervisor's tree.
        self.spared = set(own_children())

    def run(self) -> int:
        """Keep supervisors running and answer the exit code."""
        if not os.access("/proc/self/fd", os.R_OK):
            say("expected /proc to be mounted, found it is not: processes are found and ended by it; mount it")
            return UNFIT
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, WAITED)
        close_on_exec()
        adopt_orphans()
        hide_memory()
        pause = 0.0
        while True:
            started = boot_time()
            code = self.keep_one()
            self.clear_tree()
            if self.asked_to_end or code in FINAL:
                return exit_code(code)
            self.deaths += 1
            pause = next_pause(pause, boot_time() - started)
            say(f"the supervisor {how_it_ended(code)}; it is started again in {pause:g} s")
            if self.pause(pause):
                return 0

    def keep_one(self) -> int:
        """Start a supervisor, pass signals on until it ends, and answer how it ended."""
        environment = {**os.environ, KEEPER_VARIABLE: f"{os.getpid()}/{self.deaths}"}
        command = [sys.executable, "-P", "-c", SUPERVISOR]
        self.supervisor = os.posix_spawn(
            sys.executable, command, environment, setsid=True, setsigmask=(), setsigdef=(signal.SIGPIPE,)
        )
        while (code := self.reap()) is None:
            if signal.sigwaitinfo(WAITED).si_signo in FORWARDED:
                self.asked_to_end = True
                os.kill(self.supervisor, signal.SIGTERM)
        return code

    def reap(self) -> int | None:
        """Collect every child that has ended; answer how the supervisor did, if it is among them."""
        code = None
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return code
            if found is None:
                return code
            if found.si_pid == self.supervisor:
                # Not reaped yet: its number is its own, and the kernel still says where it was.
                self.group = group_of_supervisor(self.supervisor)
            pid, status = os.waitpid(found.si_pid, 0)
            self.spared.discard(pid)
            if pid == self.supervisor:
                code = os.waitstatus_to_exitcode(status)

    def clear_tree(self) -> None:
        """Kill what the supervisor left behind until nothing is: children of the killed become our own in turn."""
        if self.group is not None:
            self.group.kill()
        self.reap()
        while left := [pid for pid in own_children() if pid not in self.spared]:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            signal.sigtimedwait((signal.SIGCHLD,), 0.02)
            self.reap()
        if self.group is not None:
            # Kept should anything be in it, stuck in the kernel: the next sweep looks again.
            self.group.remove()
            self.group = None

    def pause(self, seconds: float) -> bool:
        """Wait before the next start; true when a signal to end came meanwhile."""
        until = boot_time() + seconds
        while (left := until - boot_time()) > 0:
            got = signal.sigtimedwait(WAITED, left)
            if got is not None and got.si_signo in FORWARDED:
                return True
            self.reap()
        return False


def close_on_exec() -> None:
    """Keep inherited descriptors, such as the lock that holds an embedded Redis open, in this process alone."""
    with os.scandir("/proc/self/fd") as entries:
        descriptors = [int(entry.name) for entry in entries]
    for descriptor in descriptors:
        if descriptor > 2:
            try:
                os.set_inheritable(descriptor, False)
            except OSError:
                continue  # the descriptor of the listing itself


def say(text: str) -> None:
    """One line for whoever watches the agent."""
    # Whoever watched may have gone away.
    with suppress(OSError, ValueError):
        print(f"agent: {text}", file=sys.stderr, flush=True)  # noqa: T201
