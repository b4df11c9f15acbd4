"""The thread that writes lines to the agent's disk before they are shipped: a killed agent loses none that it has read.

A disk that is full, read-only or broken costs no run anything but memory: lines stay in memory, which bounds how much
is read of what runs write, and the agent claims nothing until there is room again. A disk that stalls stops this
thread and no other. What the page cache holds survives the death of every process, but not that of the machine: of
what waits on the disk alone, half a MiB at most is nowhere else.
"""

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from agent import events
from agent.logs.backlog import Backlog, Lines, Progress, Segment, Unshipped
from agent.logs.batch import Batch
from agent.logs.spool_disk import SpoolDisk
from agent.logs.spool_file import HEAD, SpoolName, frame
from agent.messages import SpoolFull
from orchestrator.store.run_logs import packed

SEGMENT_BYTES = 4 << 20
"""A file that has grown so far is followed by another: kept lines are removed file by file."""

SYNC_BYTES = 1 << 19
"""How much may wait in the page cache alone."""

RETRY_SECONDS = 1.0
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over, and all its lines are in Redis or will never be wanted there."""

    run_id: str
    attempt: int


@dataclass(kw_only=True)
class Files:
    """The files of one attempt, oldest first; `fd` writes to the last one."""

    log: Unshipped
    segments: list[Segment] = field(default_factory=list)
    fd: int | None = None
    unsynced: bool = False
    """Lines in the last file stand nowhere but in the page cache."""

    def seal(self) -> None:
        """Write no more to the last file."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def sync(self) -> None:
        """Have the last file stand on the disk; raises OSError."""
        if self.fd is not None and self.unsynced:
            os.fdatasync(self.fd)
        self.unsynced = False


class Spooling(threading.Thread):
    """Takes batches, writes them, hands them to the backlog. `disk` None: nothing is written, memory is all there is.

    Posts Progress of lines that need no memory any more, and SpoolFull.
    """

    def __init__(
        self, disk: SpoolDisk | None, backlog: Backlog, *, post: Callable[[Progress | SpoolFull], None]
    ) -> None:
        super().__init__(name="spooling", daemon=True)
        self._disk = disk
        self._backlog = backlog
        self._post = post
        self._inbox: SimpleQueue[Batch | Ended | None] = SimpleQueue()
        self._files: dict[tuple[str, int], Files] = {}
        self._look_at = 0.0
        self._unsynced = 0
        self._at_quota = False
        self.full = False
        """Whether the disk takes nothing."""
        if disk is not None:
            self._look(disk)

    def put(self, item: Batch | Ended) -> None:
        """Deal with this after what was put before."""
        self._inbox.put(item)

    def leave(self) -> None:
        """Take nothing that is put after this."""
        self._inbox.put(None)

    def run(self) -> None:
        """Write until told to leave."""
        while True:
            if self.full and self._disk is not None and time.monotonic() >= self._look_at:
                self._look(self._disk)
            try:
                item = self._inbox.get(timeout=RETRY_SECONDS if self.full else None)
            except Empty:
                continue
            if item is None:
                return
            if isinstance(item, Batch):
                self._take(item)
            else:
                self._end(item)

    def _take(self, batch: Batch) -> None:
        key = batch.run_id, batch.attempt
        files = self._files.get(key)
        if files is None:
            log = Unshipped(run_id=batch.run_id, token=batch.token, attempt=batch.attempt)
            files = self._files[key] = Files(log=log)
        if files.log.unwanted:
            files.log.taken += 1
            self._post(Progress(*key, freed=batch.size, done=files.log.taken, wanted=False))
            return
        lines = self._written(files, batch) if batch.records else None
        on_disk_only = self._backlog.put(files.log, lines, batch.tasks)
        if on_disk_only or lines is None:
            self._post(Progress(*key, freed=batch.size))
        if on_disk_only and lines is not None:
            files.unsynced = True
            self._unsynced += lines.frame
            self._sync()

    def _sync(self) -> None:
        if self._disk is None or self._unsynced < SYNC_BYTES:
            return
        self._unsynced = 0
        try:
            for files in self._files.values():
                files.sync()
        except OSError as error:
            self._set_full(self._disk, error)

    def _written(self, files: Files, batch: Batch) -> Lines | None:
        try:
            body = packed(batch.first, batch.records)
        except (ValueError, TypeError, OverflowError) as error:
            # Lines that can not be shipped must not cost the lines after them.
            events.failed(what="pack logs", cause=str(error))
            return None
        data = frame(body)
        segment = self._to_disk(files, batch.first, data)
        last = batch.first + len(batch.records) - 1
        return Lines(body=body, last=last, memory=batch.size, segment=segment, frame=len(data))

    def _to_disk(self, files: Files, first: int, data: bytes) -> Segment | None:
        disk, log = self._disk, files.log
        name = str(SpoolName(log.run_id, log.attempt, log.token, first))
        if disk is None or self.full or log.not_on_disk or SpoolName.parse(name) is None:
            return None
        try:
            return self._append(disk, files, name, data) if self._has_room(disk, len(data)) else None
        except OSError as error:
            self._set_full(disk, error)
            return None

    def _append(self, disk: SpoolDisk, files: Files, name: str, data: bytes) -> Segment:
        while True:
            try:
                segment = files.segments[-1] if files.fd is not None else None
                if segment is None or files.fd is None or segment.size >= SEGMENT_BYTES:
                    return self._begin(disk, files, name, data)
                write_whole(files.fd, data)
            except OSError as error:
                # The file may end with a piece of this frame now, which readers drop: nothing may come after it.
                files.seal()
                if error.errno not in NO_ROOM or not disk.drop_oldest_kept():
                    raise
            else:
                segment.size += len(data)
                disk.count(len(data))
                return segment

    def _begin(self, disk: SpoolDisk, files: Files, name: str, data: bytes) -> Segment:
        files.sync()
        files.seal()
        self._tidy(disk, files)
        folder = disk.folder()
        fd = folder.create(name)
        try:
            write_whole(fd, HEAD + data)
        except OSError:
            os.close(fd)
            folder.remove(name)
            raise
        files.fd, segment = fd, Segment(name=name, size=len(HEAD) + len(data), shipped=len(HEAD))
        files.segments.append(segment)
        disk.count(segment.size)
        return segment

    def _has_room(self, disk: SpoolDisk, size: int) -> bool:
        if not disk.has_room(size):
            for files in self._files.values():
                self._tidy(disk, files)
        at_quota = not disk.has_room(size)
        if at_quota and not self._at_quota:
            events.spool_at_quota(path=str(disk.path), bytes=disk.quota)
        self._at_quota = at_quota
        return not at_quota

    def _tidy(self, disk: SpoolDisk, files: Files) -> None:
        """Move files to what is kept when all their lines are in Redis, and Redis does not keep them all."""
        own, writing = disk.folder(), files.segments[-1:] if files.fd is not None else []
        for segment in [*files.segments] if files.log.cut else []:
            if segment.shipped >= segment.size and segment not in writing:
                files.segments.remove(segment)
                disk.end(own, segment.name, segment.size, keep=True)

    def _end(self, ended: Ended) -> None:
        files = self._files.pop((ended.run_id, ended.attempt), None)
        if files is None or self._disk is None:
            return
        files.seal()
        for segment in files.segments:
            self._disk.end(self._disk.folder(), segment.name, segment.size, keep=files.log.cut)

    def _look(self, disk: SpoolDisk) -> None:
        try:
            if disk.is_gone():
                for files in self._files.values():
                    files.seal()
            disk.open()
        except OSError as error:
            self._set_full(disk, error)
        else:
            self._set_full(disk, None)

    def _set_full(self, disk: SpoolDisk, error: OSError | None) -> None:
        self._look_at = time.monotonic() + RETRY_SECONDS
        if self.full == (error is not None):
            return
        self.full = error is not None
        if error is not None:
            events.spool_unusable(path=str(disk.path), cause=str(error))
        else:
            events.spool_usable(path=str(disk.path))
        self._post(SpoolFull(self.full))


def write_whole(fd: int, data: bytes) -> None:
    """Write all of it, or raise OSError with a piece of it written."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
