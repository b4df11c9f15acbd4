"""Reads what the processes of one run write: frames on its socket, lines on its pipes, in the order they are found.

What comes now and then is read at once, so that lines of a flow and of its subprocesses keep their order. Descriptors
that go on rest 5 ms between reads, so that a flow that flushes every line costs one wake-up per 5 ms and not one per
line. While too much waits to be shipped, nothing is read at all, and the writer waits.
"""

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from itertools import repeat
from typing import Any

from agent.kernel import boot_time
from agent.logs.lines import LineSplitter, cut
from agent.logs.wire import FrameReader
from agent.loop import Loop
from orchestrator.process.frames import WireError
from orchestrator.store.run_logs import LOG, STDERR, STDOUT, LogRecord

READ_BYTES = 256 * 1024
REST_SECONDS = 0.005
SHORT_REST_SECONDS = 0.001
FULL_FRAMES = 64
"""With as many in one rest the next one is short: a socket holds some 250 small frames, then the writer waits."""

BURST = 8
"""Reads within one rest's time after which a descriptor begins to rest."""

MOST_READS = 16
INFO = 20
FIRST_SECOND, LAST_SECOND = 946_684_800, 4_102_444_800
SOURCE_OF = {1: STDOUT, 2: STDERR}


def as_us(seconds: float) -> int:
    """A time as it came over the wire, in microseconds; now, when it is none of this century."""
    if not FIRST_SECOND < seconds < LAST_SECOND:
        seconds = time.time()
    return int(seconds * 1_000_000)


class Found(Enum):
    """What a read came upon."""

    NOTHING = "nothing for now, or the end"
    OTHER = "frames that are no output, or a piece of a line"
    OUTPUT = "lines: more may follow soon"


class Pump:
    """The agent's ends of a run's socket and pipes."""

    def __init__(
        self,
        loop: Loop,
        *,
        channel: int,
        outputs: dict[int, int],
        on_records: Callable[[list[LogRecord]], None],
        on_frame: Callable[[str, dict[str, Any]], None],
        on_broken: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._channel = channel
        self._on_records = on_records
        self._found: list[LogRecord] = []
        self._on_frame = on_frame
        self._on_broken = on_broken
        self._frames = FrameReader()
        # The pipe of a stream and its frames are cut into lines apart: either may stop in the middle of one.
        self._piped = {fd: (SOURCE_OF[number], LineSplitter()) for number, fd in outputs.items()}
        self._printed = {number: LineSplitter() for number in SOURCE_OF}
        self._open = {channel, *outputs.values()}
        self._unsent = b""
        self._paused = False
        self._resting: set[int] = set()
        self._reads = 0
        self.last_words = ""
        for fd in self._open:
            loop.watch(fd, lambda events, fd=fd: self._ready(fd, events))  # type: ignore[misc]

    def send(self, data: bytes) -> None:
        """Send frames to the run's process, now or as it takes them."""
        self._unsent += data
        self._write()

    def pause(self, paused: bool) -> None:
        """Stop reading, or go on."""
        if self._paused == paused:
            return
        self._paused = paused
        for fd in list(self._open):
            self._set_resting(fd, paused)

    def drain(self) -> None:
        """Read all that is there now, resting or not."""
        for fd in sorted(self._open, key=lambda fd: fd == self._channel):
            while self._read_out(fd):
                pass

    def close(self) -> None:
        """Read what is there, end the last lines, and close everything."""
        self.drain()
        for source, splitter in self._piped.values():
            self._note(source, splitter.flush())
        for number, splitter in self._printed.items():
            self._note(SOURCE_OF[number], splitter.flush())
        self._hand_over()
        for fd in list(self._open):
            self._shut(fd)
        self._loop.call_not(self)

    def _ready(self, fd: int, events: int) -> None:
        if events & select.EPOLLOUT:
            self._write()
        if events & (select.EPOLLHUP | select.EPOLLERR):
            # Reported although nobody asked: what is left is bounded by the pipe and has to go.
            self._read_out(fd)
        elif events & select.EPOLLIN:
            self._read_older(fd)
            if self._read(fd) is Found.OUTPUT:
                self._count_read(fd)

    def _read_older(self, fd: int) -> None:
        """Read what was written before that which made `fd` ready: by a subprocess, before the flow went on."""
        if fd == self._channel:
            for pipe in self._open & self._piped.keys():
                self._read_out(pipe)
        elif self._channel in self._resting:
            self._read_out(self._channel)

    def _count_read(self, fd: int) -> None:
        self._reads += 1
        if self._reads == 1:
            self._loop.call_at(boot_time() + REST_SECONDS, self, self._end_window)
        if self._reads >= BURST:
            self._set_resting(fd, True)

    def _end_window(self) -> None:
        self._reads = 0
        if self._paused or not self._resting:
            return
        before = self._frames.count
        if self._read_resting():
            short = self._frames.count - before >= FULL_FRAMES
            rest = SHORT_REST_SECONDS if short else REST_SECONDS
            self._loop.call_at(boot_time() + rest, self, self._end_window)
            return
        for fd in list(self._resting):
            self._set_resting(fd, False)

    def _read_resting(self) -> bool:
        """Read what has come meanwhile; pipes first, since a flow mostly speaks after those it started have."""
        found = [self._read_out(fd) for fd in sorted(self._resting, key=lambda fd: fd == self._channel)]
        return any(found)

    def _read_out(self, fd: int) -> bool:
        """Read until nothing is there, or as much as a pipe can hold; true when output was found."""
        chatty = False
        for _ in range(MOST_READS):
            found = self._read(fd) if fd in self._open else Found.NOTHING
            if found is Found.NOTHING:
                break
            chatty = chatty or found is Found.OUTPUT
        return chatty

    def _set_resting(self, fd: int, resting: bool) -> None:
        if resting:
            self._resting.add(fd)
        else:
            self._resting.discard(fd)
        self._set_events(fd)

    def _set_events(self, fd: int) -> None:
        if fd in self._open:
            wanted = 0 if fd in self._resting else select.EPOLLIN
            self._loop.change(fd, wanted | (select.EPOLLOUT if fd == self._channel and self._unsent else 0))

    def _read(self, fd: int) -> Found:
        """Read once."""
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return Found.NOTHING
        except OSError:
            data = b""
        if not data:
            self._shut(fd)
            return Found.NOTHING
        if fd == self._channel:
            self._take_frames(data)
        else:
            source, splitter = self._piped[fd]
            self._note(source, splitter.feed(data))
        return Found.OUTPUT if self._hand_over() else Found.OTHER

    def _take_frames(self, data: bytes) -> None:
        try:
            for kind, body in self._frames.feed(data):
                self._take_frame(kind, body)
        except (WireError, KeyError, TypeError, ValueError, OverflowError):
            self._shut(self._channel)
            self._on_broken()

    def _take_frame(self, kind: str, body: dict[str, Any]) -> None:
        if kind == "log":
            task = body.get("task")
            at, level, logger = as_us(body["at"]), min(max(int(body["level"]), 0), 1000), str(body["logger"])[:128]
            text = cut(str(body["message"]))
            self._found.append(LogRecord(at, LOG, level, text, logger, None if task is None else str(task)[:64]))
        elif kind == "out":
            number, text = body["stream"], body["text"]
            raw = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
            self._note(SOURCE_OF[number], self._printed[number].feed(raw))
        else:
            self._on_frame(kind, body)

    def _note(self, source: int, lines: list[str]) -> None:
        now = int(time.time() * 1_000_000)
        self._found += map(LogRecord, repeat(now), repeat(source), repeat(INFO), lines)
        if source == STDERR:
            self.last_words = next((line for line in reversed(lines) if line.strip()), self.last_words)[:200]

    def _hand_over(self) -> bool:
        found, self._found = self._found, []
        if found:
            self._on_records(found)
        return bool(found)

    def _write(self) -> None:
        if self._channel not in self._open:
            return
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self._unsent = self._unsent[os.write(self._channel, self._unsent) :]
        self._set_events(self._channel)

    def _shut(self, fd: int) -> None:
        if fd in self._open:
            self._open.discard(fd)
            self._resting.discard(fd)
            self._loop.unwatch(fd)
            os.close(fd)
