"""The private working folders of runs, each of one attempt: where they are, and their removal by a thread.

    <home>/work/<installation>/<agent>/<run>-<attempt>/     made by the run's own process, mode 0700

Its process links what lies beside the flow's file into it. It is removed when nothing of the run is left; what dead
agents left is removed by the next one that starts on this machine. The same thread lets go of code that nobody uses.
"""

import hashlib
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from agent import events
from agent.logs.private_folder import LOCK, PrivateFolder
from agent.removal import FOLDER, remove_tree

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Workrooms(threading.Thread):
    """The working folders of one agent; without a home there are none."""

    def __init__(self, home: str, installation: str, agent: str) -> None:
        super().__init__(name="workrooms", daemon=True)
        self._path = Path(home, "work", installation, agent) if home else None
        self._inbox: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._held: PrivateFolder | None = None
        self._left: list[str] = []
        if self._path is not None:
            try:
                self._take(self._path)
            except OSError as error:
                events.workrooms_unusable(path=str(self._path), cause=str(error))

    def room(self, run_id: str, attempt: int) -> str | None:
        """The working folder of an attempt; None without a home."""
        name = run_id if PLAIN.fullmatch(run_id) else hashlib.sha256(run_id.encode("utf-8", "replace")).hexdigest()[:32]
        return str(self._path / f"{name}-{attempt}") if self._path is not None else None

    def remove(self, room: str) -> None:
        """Remove a working folder soon."""
        self._inbox.put(lambda: self._remove(Path(room)))

    def call(self, what: Callable[[], object]) -> None:
        """Have something done that is not for the loop."""
        self._inbox.put(what)

    def leave(self, seconds: float) -> None:
        """Do what was asked for, for so long at most."""
        self._inbox.put(None)
        self.join(seconds)

    def run(self) -> None:
        """Remove what was left, then whatever is asked for."""
        if self._path is not None:
            for name in self._left:
                self._try(lambda name=name: self._remove(self._path / name))  # type: ignore[misc]
            self._try(self._sweep_others)
        while (what := self._inbox.get()) is not None:
            self._try(what)

    def _try(self, what: Callable[[], object]) -> None:
        try:
            what()
        except OSError as error:
            events.workrooms_unusable(path=str(self._path), cause=str(error))

    def _take(self, path: Path) -> None:
        """Make the folder ours; what is in it was left by a dead supervisor of this name."""
        path.parents[2].mkdir(0o700, parents=True, exist_ok=True)
        for parent in (path.parents[1], path.parent):
            PrivateFolder(parent).close()
        self._held = PrivateFolder(path)
        if self._held.lock():
            self._left = [entry.name for entry in os.scandir(path) if entry.name != LOCK]

    def _remove(self, room: Path) -> None:
        folder = os.open(room.parent, FOLDER)
        try:
            if not remove_tree(room.name, folder):
                events.workrooms_unusable(path=str(room), cause="something in it can not be removed")
        finally:
            os.close(folder)

    def _sweep_others(self) -> None:
        """Remove what dead agents of other names left on this machine."""
        assert self._path is not None
        for path in self._path.parent.iterdir():
            with suppress(OSError):
                if path != self._path:
                    self._sweep(path)

    def _sweep(self, path: Path) -> None:
        """Empty a folder that no living agent holds, and remove it."""
        folder = PrivateFolder(path, make=False)
        try:
            for entry in os.scandir(path) if folder.lock() else ():
                if entry.name != LOCK:
                    self._remove(Path(entry.path))
            if folder.is_locked:
                folder.clear_away()
        finally:
            folder.close()
