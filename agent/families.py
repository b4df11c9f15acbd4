"""Which processes belong to which run, also those that have left its session: nothing of a run outlives its slot.

The supervisor adopts the orphans of everything below it. An orphan belongs to the run whose brand it has, else to the
one whose id stands in its environment, else to the one whose session it is in. One that got rid of all of these may
belong to any run that was there when it was first seen, and is ended with the last of them.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from agent.brands import Brand, brand_of
from agent.kernel import own_children
from agent.leftovers import RUN_VARIABLE
from agent.process_tree import Process, descendants, environment_value, facts, kill_all, send, send_group, this_process

MOST_PASSES = 20
"""How often processes that were not there a moment ago are looked for before all are killed."""


class Ended(NamedTuple):
    """A run's first process that has ended and was reaped, with what it used."""

    run_id: str
    status: int
    max_rss_kb: int
    cpu_seconds: float


class Spent(NamedTuple):
    """What orphans of a run that have ended used: nobody else waited for them."""

    cpu_seconds: float = 0.0
    max_rss_kb: int = 0


class Families:
    """The processes of all runs of this supervisor."""

    def __init__(self) -> None:
        self._run_of: dict[int, str] = {}
        self._first: dict[str, int] = {}
        self._sessions: dict[str, int] = {}
        self._orphans: dict[Process, set[str]] = {}
        self._branded: dict[Brand, str] = {}
        self._spent: dict[str, Spent] = {}
        self._supervisor = this_process()
        # What was there before the first run is not of any run.
        self._spared = set(own_children())

    def add(self, run_id: str, pid: int, brand: Brand | None = None, *, lasting: bool = False) -> None:
        """Note the first process of a run, and its brand.

        What is `lasting` is no run, and nobody's process is kept for it: of its own are those that bear its brand.
        """
        self._run_of[pid] = run_id
        self._first[run_id] = pid
        if not lasting:
            self._sessions[run_id] = pid
        if brand is not None:
            self._branded[brand] = run_id

    def forget(self, run_id: str) -> None:
        """Note that nothing of a run is left."""
        self._sessions.pop(run_id, None)
        self._spent.pop(run_id, None)
        self._branded = {brand: branded for brand, branded in self._branded.items() if branded != run_id}
        for owners in self._orphans.values():
            owners.discard(run_id)

    def reap(self) -> Iterator[Ended]:
        """Collect every child that has ended; orphans among them silently."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            # An orphan that has ended keeps its brand until it is asked how.
            brand = None if found.si_pid in self._run_of else brand_of(found.si_pid)
            pid, status, usage = os.wait4(found.si_pid, 0)
            cpu_seconds = usage.ru_utime + usage.ru_stime
            run_id = self._run_of.pop(pid, None)
            if run_id is not None:
                del self._first[run_id]
                yield Ended(run_id, status, usage.ru_maxrss, cpu_seconds)
            elif brand is not None and (owner := self._branded.get(brand)) is not None:
                before = self.spent(owner)
                self._spent[owner] = Spent(before.cpu_seconds + cpu_seconds, max(before.max_rss_kb, usage.ru_maxrss))

    def spent(self, run_id: str) -> Spent:
        """What processes of a run used that were orphans and have ended."""
        return self._spent.get(run_id, Spent())

    def processes_of(self, run_id: str) -> list[int]:
        """The numbers of a run's living processes, its first one among them."""
        first = self._first.get(run_id)
        return [*([first] if first is not None else []), *(process.pid for process in self.left_of(run_id))]

    def terminate(self, run_id: str) -> None:
        """SIGTERM to the process group of a run, as long as its first process has not ended."""
        if (pid := self._first.get(run_id)) is not None:
            send_group(pid, signal.SIGTERM)

    def kill(self, run_id: str) -> None:
        """SIGKILL to every process of a run that can be found now."""
        # Stopped before they are killed: what forks without end would otherwise be ahead of the kill.
        left: set[Process] = set()
        for _ in range(MOST_PASSES):
            fresh = set(self.left_of(run_id)) - left
            if not fresh:
                break
            left |= fresh
            for process in fresh:
                send(process, signal.SIGSTOP)
        if (pid := self._first.get(run_id)) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            send_group(pid, signal.SIGKILL)
        kill_all(left)

    def is_empty(self, run_id: str) -> bool:
        """Whether nothing is left of a run whose first process has ended."""
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
        brand = brand_of(pid)
        if brand is not None and brand.supervisor == self._supervisor:
            # One of a run that is over is of no other: it may be ended with any.
            return {self._branded[brand]} if brand in self._branded else set()
        marked = environment_value(pid, RUN_VARIABLE)
        if marked is not None:
            return {marked} & self._sessions.keys()
        in_session = {run_id for run_id, leader in self._sessions.items() if leader == session}
        return in_session or set(self._sessions)
