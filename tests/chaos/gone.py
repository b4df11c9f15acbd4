"""Who of the flows still lives: reads what they note, and sees each end, to the millisecond, by a handle on it."""

from __future__ import annotations

import os
import select
import threading
import time
from pathlib import Path

from agent.leftovers import RUN_VARIABLE
from agent.process_tree import environment_value
from tests.chaos.history import Record, flow_records

EVERY_MS = 20


class Living(threading.Thread):
    """Watches the first process of every attempt that has noted its start and not its end."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="living", daemon=True)
        self._notes = folder / "flows" / "notes"
        self._over = threading.Event()
        self._handles: dict[int, tuple[str, int, int]] = {}
        """Handle -> run, attempt, pid."""
        self._poll = select.poll()
        self.gone: list[Record] = []
        self.attempts = 0

    def now(self) -> list[tuple[str, int]]:
        """The runs that are being executed, each with the number of its first process."""
        return [(run, pid) for run, _, pid in list(self._handles.values())]

    def has(self, pid: int) -> bool:
        """Whether that process has not ended since it was seen."""
        return any(pid == each for _, each in self.now())

    def stop(self) -> None:
        """End the thread; who is still there then is not noted as gone."""
        self._over.set()
        self.join(10)
        for handle in self._handles:
            os.close(handle)
        self._handles.clear()

    def run(self) -> None:
        """Read and watch until `stop`."""
        position = 0
        while not self._over.is_set():
            position = self._read(position)
            for handle, _ in self._poll.poll(EVERY_MS):
                self._ended(handle, time.monotonic())

    def _read(self, position: int) -> int:
        if not self._notes.exists():
            return position
        with open(self._notes, "rb") as notes:
            notes.seek(position)
            fresh = notes.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        for line in whole.decode().splitlines():
            what, run, attempt, _, _, pid = line.split()
            if what == "start":
                self.attempts += 1
                self._watch(run, int(attempt), int(pid))
        return position + len(whole)

    def _watch(self, run: str, attempt: int, pid: int) -> None:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return self._note(run, attempt, pid, time.monotonic())
        if environment_value(pid, RUN_VARIABLE) not in (run, None):
            os.close(handle)  # the number is a stranger's by now
            return self._note(run, attempt, pid, time.monotonic())
        self._handles[handle] = (run, attempt, pid)
        self._poll.register(handle, select.POLLIN)
        return None

    def _ended(self, handle: int, mono: float) -> None:
        self._poll.unregister(handle)
        self._note(*self._handles.pop(handle), mono)
        os.close(handle)

    def _note(self, run: str, attempt: int, pid: int, mono: float) -> None:
        record = {"kind": "flow", "run": run, "attempt": attempt, "what": "gone", "mono": mono, "pid": pid}
        self.gone.append(record)


def executions(folder: Path, gone: list[Record]) -> list[Record]:
    """What flows noted, and the ends of those that could not note their own, by time.

    An end is seen a little late. Who took the run's lock next proves that it was before that: the lock is held until
    the last process of the attempt has ended.
    """
    noted = flow_records(folder / "flows")
    overlapping = overlaps(folder)
    stopped = {(one["run"], one["attempt"], one["pid"]) for one in noted if one["what"] == "stop"}
    starts: dict[str, list[Record]] = {}
    for one in noted:
        if one["what"] == "start" and (one["run"], one["attempt"], one["pid"]) not in overlapping:
            starts.setdefault(one["run"], []).append(one)
    began = {(one["run"], one["attempt"], one["pid"]): one["mono"] for one in noted if one["what"] == "start"}
    for one in gone:
        key = (one["run"], one["attempt"], one["pid"])
        if key not in stopped:
            later = [start["mono"] for start in starts.get(one["run"], []) if start["mono"] > began.get(key, 0.0)]
            noted.append({**one, "mono": min([one["mono"], *later])})
    return sorted(noted, key=lambda one: one["mono"])


def overlaps(folder: Path) -> set[tuple[str, int, int]]:
    """The attempts that did not get the lock of their run: something of an earlier one was still there."""
    file = folder / "overlaps"
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return {(run, int(attempt), int(pid)) for _, run, attempt, _, _, pid in lines}
