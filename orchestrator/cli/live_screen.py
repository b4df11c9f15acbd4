"""A page that is drawn again in place on a terminal, and the keys that end that."""

from __future__ import annotations

import io
import os
import select
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.cli.output import COLOUR_CODE, Output

UP, CLEAR_LINE, CLEAR_BELOW = "\x1b[{}F", "\x1b[K", "\x1b[J"
ENDS = b"qQ"


class LiveScreen:
    """Draws pages over each other where the terminal can, and below each other elsewhere."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._in_place = output.terminal and os.environ.get("TERM", "dumb") != "dumb"
        self._drawn = 0

    @contextmanager
    def drawing(self) -> Iterator[Output]:
        """What is printed to the output that this gives replaces the page before."""
        self._output.width = shutil.get_terminal_size((100, 24)).columns if self._output.terminal else 100
        page = Output("text", io.StringIO())
        page.terminal, page.coloured, page.width = self._output.terminal, self._output.coloured, self._output.width
        yield page
        assert isinstance(page.stream, io.StringIO)
        self._show(page.stream.getvalue().splitlines())

    def _show(self, lines: list[str]) -> None:
        stream = self._output.stream
        if self._in_place:
            back = UP.format(self._drawn) if self._drawn else ""
            stream.write(back + "".join(f"{line}{CLEAR_LINE}\n" for line in lines) + CLEAR_BELOW)
            self._drawn = sum(self._height(line) for line in lines)
        else:
            stream.write("\n".join(["", *lines] if self._drawn else lines) + "\n")
            self._drawn = len(lines)
        stream.flush()

    def _height(self, line: str) -> int:
        """How many lines of the terminal a line takes."""
        return max(1, -(-len(COLOUR_CODE.sub("", line)) // max(self._output.width, 1)))

    @contextmanager
    def keys(self) -> Iterator[Callable[[float], bool]]:
        """Gives a function that waits for so many seconds and says whether q was pressed meanwhile."""
        if not (self._in_place and sys.stdin.isatty()):
            yield passed
            return
        import termios
        import tty

        keyboard = sys.stdin.fileno()
        before = termios.tcgetattr(keyboard)
        try:
            tty.setcbreak(keyboard)
            yield lambda seconds: pressed(keyboard, seconds)
        finally:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def passed(seconds: float) -> bool:
    """Waits where there are no keys to be pressed."""
    time.sleep(seconds)
    return False


def pressed(keyboard: int, seconds: float) -> bool:
    """Whether q is pressed within so many seconds; any other key only ends the waiting. A closed keyboard is a q."""
    if not select.select([keyboard], [], [], seconds)[0]:
        return False
    keys = os.read(keyboard, 64)
    return not keys or any(key in ENDS for key in keys)
