"""The control groups of one supervisor's runs, and the thread that moves each run's first process into its own.

Moving one process makes the kernel wait for all processors, 5 to 30 ms: not for the loop. It happens while the new
interpreter starts, and the flow is let go when both are done, so that nothing it starts can be outside. The process is
reaped only after the move: its number can not be a stranger's by then.
"""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple

from agent import events
from agent.control_group import RUN, SUPERVISOR, ControlGroup, group_of
from agent.leftovers import Mark, group_name


class Moved(NamedTuple):
    """A run's first process is in the run's own group, or has ended, or can not be moved there."""

    run_id: str


class Containment(threading.Thread):
    """Makes, fills, kills and removes the groups of runs."""

    def __init__(self, whole: ControlGroup, *, post: Callable[[Moved], object]) -> None:
        super().__init__(name="containment", daemon=True)
        self._whole = whole
        self._post = post
        self._inbox: SimpleQueue[tuple[Moved, int, ControlGroup, threading.Event]] = SimpleQueue()
        self._groups: dict[str, ControlGroup] = {}
        self._moving: dict[str, threading.Event] = {}

    def put(self, run_id: str, pid: int) -> None:
        """Move a run's first process into a group of its own; Moved is posted when that is done."""
        moving = self._moving[run_id] = threading.Event()
        group = self._groups[run_id] = self._whole.below(RUN + run_id.replace("/", "_"))
        self._inbox.put((Moved(run_id), pid, group, moving))

    def settle(self, run_id: str) -> None:
        """Wait until the run's first process is not being moved any more: only then its number may be given up."""
        if (moving := self._moving.pop(run_id, None)) is not None:
            moving.wait()

    def kill(self, run_id: str) -> None:
        """SIGKILL to all of a run."""
        if (group := self._groups.get(run_id)) is not None:
            group.kill()

    def holds(self, run_id: str) -> bool:
        """Whether anything of a run is left."""
        group = self._groups.get(run_id)
        return group is not None and group.is_populated()

    def owner(self, pid: int) -> str | None:
        """The run whose group a process is in."""
        found = group_of(pid)
        path = found.path if found is not None else ""
        inside = (run_id for run_id, group in self._groups.items() if f"{path}/".startswith(f"{group.path}/"))
        return next(inside, None)

    def forget(self, run_id: str) -> None:
        """Remove the group of a run that is over."""
        if (group := self._groups.pop(run_id, None)) is not None:
            group.remove()

    def run(self) -> None:
        """Move whatever is put."""
        while True:
            moved, pid, group, moving = self._inbox.get()
            try:
                group.make()
                group.take(pid)
            except ProcessLookupError:
                pass  # it has ended already
            except OSError as error:
                # It stays in the supervisor's own group: its tree is ended by the kernel's list of children.
                events.not_contained(run=moved.run_id, cause=str(error))
            moving.set()
            self._post(moved)


def contain(mark: Mark) -> ControlGroup | None:
    """Move this supervisor into a group made for it and its runs; None where that is not permitted.

    What it starts is born there: a move between two groups of one's own is then permitted, too.
    """
    around = group_of("self")
    if around is None:
        return None
    whole = around.below(group_name(mark))
    home = whole.below(SUPERVISOR)
    try:
        whole.make()
        home.make()
        if not os.access(f"{whole.path}/cgroup.kill", os.W_OK):
            raise FileNotFoundError("the kernel is older than 5.14")
        home.take(0)
    except OSError:
        whole.remove()
        return None
    return whole
