"""Text for stderr, written by a thread of its own: a reader that stalls or goes away must not stop the agent's loop."""

import io
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TextIO

MOST_WAITING = 10_000
CLOSE_SECONDS = 1.0


class BackgroundWriter(io.TextIOBase):
    """Stands in for a text stream; what comes faster than it can be written is dropped and counted."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Take text; it is written soon."""
        if self._queue.qsize() >= MOST_WAITING:
            self._dropped += 1
        else:
            self._queue.put(text)
        return len(text)

    def writable(self) -> bool:
        """Text may be written."""
        return True

    def isatty(self) -> bool:
        """Whether the stream behind is a terminal."""
        return self._stream.isatty()

    def finish(self) -> None:
        """Write what waits, for a second at most."""
        self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while (text := self._queue.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                self._put(f"({dropped} pieces of text were dropped)\n")
            self._put(text)

    def _put(self, text: str) -> None:
        # A closed pipe or a full disk: there is nobody left to tell.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
