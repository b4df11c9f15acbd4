"""Ending at once when asked to: the first signal breaks off whatever is under way.

That is safe because a pass may be cut at any point (kill -9 does the same); only its connection is not used again.
"""

import signal
from types import FrameType, TracebackType
from typing import Self


class Interrupted(BaseException):
    """A signal came; raised once, in the main thread, wherever it was."""


class Stopping:
    """Listens for SIGTERM, SIGINT and SIGHUP inside a `with` block of the main thread."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self.asked:
            self.asked = True
            raise Interrupted
