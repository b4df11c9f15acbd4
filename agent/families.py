"""Which processes belong to which run, also those that have left its session: nothing of a run outlives its slot.

The supervisor adopts the orphans of everything below it. An orphan belongs to the run whose control group it is in,
else to the one whose id stands in its environment, else to the one whose session it is in. One that hid all of these
may belong to any run that was there when it was first seen, and is ended with the last of them.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from agent.containment import Containment
from agent.kernel import own_children
from agent.leftovers import RUN_VARIABLE
from agent.process_tree import Process, descendants, environment_value, facts, kill_all, send_group


class Ended(NamedTuple):
    """A run's first process that has ended and was reaped, with what it used."""

    run_id: str
    status: int
    max_rss_kb: int
    cpu_seconds: float


class Families:
    """The processes of all runs of this supervisor; `containment` where control groups are permitted."""

    def __init__(self, containment: Containment | None = None) -> None:
        self._containment = containment
        self._run_of: dict[int, str] = {}
        self._first: dict[str, int] = {}
        self._sessions: dict[str, int] = {}
        self._orphans: dict[Process, set[str]] = {}
        # What was there before the first run is not of any run.
        self._spared = set(own_children())

    def add(self, run_id: str, pid: int) -> None:
        """Note the first process of a run."""
        self._run_of[pid] = run_id
        self._first[run_id] = pid
        self._sessions[run_id] = pid
        if self._containment is not None:
            self._containment.put(run_id, pid)

    def forget(self, run_id: str) -> None:
        """Note that nothing of a run is left."""
        self._sessions.pop(run_id, None)
        for owners in self._orphans.values():
            owners.discard(run_id)
        if self._containment is not None:
            self._containment.forget(run_id)

    def reap(self) -> Iterator[Ended]:
        """Collect every child that has ended; orphans among them silently."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            run_id = self._run_of.pop(found.si_pid, None)
            if run_id is not None and self._containment is not None:
                self._containment.settle(run_id)
            _, status, usage = os.wait4(found.si_pid, 0)
            if run_id is not None:
                del self._first[run_id]
                yield Ended(run_id, status, usage.ru_maxrss, usage.ru_utime + usage.ru_stime)

    def terminate(self, run_id: str) -> None:
        """SIGTERM to the process group of a run, as long as its first process has not ended."""
        if (pid := self._first.get(run_id)) is not None:
            send_group(pid, signal.SIGTERM)

    def kill(self, run_id: str) -> None:
        """SIGKILL to every process of a run that can be found now."""
        if self._containment is not None:
            self._containment.kill(run_id)
        left = self.left_of(run_id)
        if (pid := self._first.get(run_id)) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            send_group(pid, signal.SIGKILL)
        kill_all(left)

    def is_empty(self, run_id: str) -> bool:
        """Whether nothing is left of a run whose first process has ended."""
        if self._containment is not None and self._containment.holds(run_id):
            return False
        # Looked at twice: the kernel's list of children may miss one while others in it come and go.
        return not (self.left_of(run_id) or self.left_of(run_id))

    def left_of(self, run_id: str) -> list[Process]:
        """Living processes of a run besides its first one, as far as the tree and the marks show them."""
        self._look_for_orphans()
        first = self._first.get(run_id)
        found = list(descendants(first)) if first is not None else []
        for orphan, owners in self._orphans.items():
            if owners <= {run_id}:
                found += [orphan, *descendants(orphan.pid)]
        return found

    def _look_for_orphans(self) -> None:
        adopted = [pid for pid in own_children() if pid not in self._run_of and pid not in self._spared]
        there: dict[Process, set[str]] = {}
        for pid in adopted:
            found = facts(pid)
            if found is None or found.dead:
                continue
            known = self._orphans.get(found.process)
            there[found.process] = known if known is not None else self._owners(pid, found.session)
        self._orphans = there

    def _owners(self, pid: int, session: int) -> set[str]:
        contained = self._containment.owner(pid) if self._containment is not None else None
        if contained is not None:
            return {contained}
        marked = environment_value(pid, RUN_VARIABLE)
        if marked is not None:
            return {marked} & self._sessions.keys()
        in_session = {run_id for run_id, leader in self._sessions.items() if leader == session}
        return in_session or set(self._sessions)
