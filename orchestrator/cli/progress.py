"""How far a long command has come: one line on stderr that is written anew, where a person watches."""

import os
import shutil
import sys
import time

EVERY_SECONDS = 0.1


class Progress:
    """`Deleting 1,200 of 12,345`; shows nothing where stderr is no terminal or can not go back on its line."""

    def __init__(self, doing: str, total: int) -> None:
        self._doing = doing
        self._total = total
        self._shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._next = time.monotonic() + EVERY_SECONDS
        self._length = 0

    def at(self, done: int) -> None:
        """Shows how many are done, a few times in a second."""
        if not self._shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        # A line as wide as the terminal would wrap, and could not be written anew.
        text = f"{self._doing} {done:,} of {self._total:,}"[: shutil.get_terminal_size((80, 24)).columns - 1]
        before, self._length = self._length, len(text)
        print(f"\r{text.ljust(before)}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leaves the line empty."""
        if self._length:
            # A Ctrl-C has left its own two characters behind it.
            print(f"\r{' ' * (self._length + 2)}\r", end="", file=sys.stderr, flush=True)
