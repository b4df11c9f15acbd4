"""The thread that ships what dead supervisors of this machine left on the disk, and removes what was kept long enough.

A folder whose lock can be had has no living owner, whichever agent of the installation it was. Its lines go to Redis
under the claim they were written for, also when the run has been given away meanwhile; what Redis knows is not sent
again. Files of another version and folders of another user are left alone, and named once.
"""

import threading
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path

from agent import events
from agent.logs.private_folder import PrivateFolder
from agent.logs.shipping import READ_BYTES, REFUSED, ReadBack, read_back, rest_of
from agent.logs.spool_disk import SpoolDisk
from agent.logs.spool_file import HEAD, MAGIC, SpoolName
from agent.retrying import GivenUp, Patience
from orchestrator.store.run_logs import RunLogs
from queues.errors import HeadgateQueueError

PAUSE_SECONDS = 60.0
MOST_BYTES = 64 << 20
"""No spool file of ours is larger."""


class Leavings(threading.Thread):
    """Looks at its start and every minute."""

    def __init__(
        self,
        disk: SpoolDisk,
        logs: RunLogs,
        *,
        rest: str,
        keep_seconds: float,
        patience: Patience,
    ) -> None:
        super().__init__(name="leavings", daemon=True)
        self._disk = disk
        self._logs = logs
        self._rest = rest
        self._keep_seconds = keep_seconds
        self._patience = patience
        self._told: set[Path] = set()

    def run(self) -> None:
        """Look until nothing is repeated any more."""
        while True:
            try:
                self.look()
            except GivenUp:
                return
            except OSError as error:
                self._tell_once(self._disk.path, str(error))
            if self._patience.pause(PAUSE_SECONDS):
                return

    def look(self) -> None:
        """Ship what is left, once; raises OSError and GivenUp."""
        left, self._disk.left = self._disk.left, []
        if left:
            self._ship_folder(self._disk.folder(), left)
        for path in sorted(self._disk.path.parent.iterdir()):
            if path not in (self._disk.path, self._disk.kept_path):
                self._look_at(path)
        self._disk.drop_kept_before(self._keep_seconds)

    def _look_at(self, path: Path) -> None:
        try:
            folder = PrivateFolder(path, make=False)
        except OSError as error:
            return self._tell_once(path, str(error))
        try:
            if folder.lock():
                self._ship_folder(folder, [name for name, _ in folder.files()])
                folder.clear_away()
        finally:
            folder.close()

    def _ship_folder(self, folder: PrivateFolder, names: list[str]) -> None:
        """Ship files run by run and in order."""
        parsed = sorted(name for name in map(SpoolName.parse, names) if name is not None)
        for _, files in groupby(parsed, key=lambda name: name[:3]):
            self._ship_attempt(folder, list(files))

    def _ship_attempt(self, folder: PrivateFolder, names: list[SpoolName]) -> None:
        """Ship one attempt's files; they go when all of them are in Redis."""
        shipped, answers = dict[str, int](), set[str]()
        for name in names:
            path = folder.path / str(name)
            try:
                data = folder.read(str(name), 0, MOST_BYTES)
            except OSError as error:
                self._tell_once(path, str(error))
                continue
            if data[: len(HEAD)] != HEAD and len(data) >= len(HEAD):
                version = f"it is of version {data[len(MAGIC)]}" if data.startswith(MAGIC) else "it is no spool file"
                self._tell_once(path, version)
                continue
            with suppress(HeadgateQueueError):
                answers |= self._ship_file(name, data[len(HEAD) :], path)
                shipped[str(name)] = len(data)
        for file, size in shipped.items():
            self._disk.end(folder, file, size, keep="cut" in answers and not answers & set(REFUSED))
        if shipped:
            events.leavings_shipped(run=names[0].run_id, attempt=names[0].attempt, files=len(shipped))

    def _ship_file(self, name: SpoolName, data: bytes, path: Path) -> set[str]:
        """Ship the lines of one file that Redis does not know; gives Redis' answers."""
        answers, rest = set[str](), rest_of(self._rest, name.run_id)
        who = name.run_id, name.token, name.attempt
        known = self._patience.until_answered("ship leavings", lambda: self._logs.last_line(who[0], who[2]))
        at = 0
        while (found := next_lines(data, at)).size:
            at += found.size
            if found.first + len(found.records) - 1 > known:
                answers.add(
                    self._patience.until_answered(
                        "ship leavings", partial(self._logs.append, *who, found.first, found.records, rest)
                    )
                )
        if at < len(data):
            events.spool_damaged(path=str(path), cause=f"{len(data) - at} bytes at its end are no whole frames")
        return answers

    def _tell_once(self, path: Path, cause: str) -> None:
        if path not in self._told:
            self._told.add(path)
            events.spool_left_alone(path=str(path), cause=cause)


def next_lines(data: bytes, at: int) -> ReadBack:
    """The lines that follow at a place of a file, about as many as one call takes."""
    found = read_back(data[at : at + READ_BYTES])
    return found if found.size else read_back(data[at:], most=1)
