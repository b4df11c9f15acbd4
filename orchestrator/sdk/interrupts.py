"""Raising in the main thread from a signal: the time-out of a flow, and a polite end of its process.

A signal handler that raises may hit any instruction. Where that would leave half a frame on the wire, the exception
waits until the frame is whole.
"""

import _signal  # type: ignore[import-not-found]  # the builtin under signal, which costs 3 ms to import
import _thread

from orchestrator.sdk.errors import FlowTimedOut, RunTerminated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any

_whole: set[int] = set()  # threads inside something that must not be cut in two
_deferred: list[BaseException] = []


class uncut:
    """Around something the main thread must finish: an interrupt meanwhile is raised right after it."""

    __slots__ = ("_me", "nested")

    def __enter__(self) -> "uncut":
        self._me = _thread.get_ident()
        # True when a signal handler runs on top of the same thread's unfinished piece.
        self.nested = self._me in _whole
        _whole.add(self._me)
        return self

    def __exit__(self, kind: "type | None", error: "BaseException | None", trace: "TracebackType | None") -> None:
        if self.nested:
            return
        _whole.discard(self._me)
        if _deferred and error is None:
            raise _deferred.pop()


def interrupt(error: BaseException) -> None:
    """Raise this in the current (main) thread: now, or as soon as its unfinished piece is whole."""
    if _thread.get_ident() in _whole:
        _deferred.append(error)
        return
    raise error


def raise_on_terminate() -> None:
    """Let SIGTERM raise RunTerminated in the main thread, so that `finally` blocks of user code run."""

    def terminate(_number: int, _frame: "FrameType | None") -> None:
        # The second one must not interrupt the cleaning up that the first has begun.
        _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
        interrupt(RunTerminated("the run's process was asked to end (SIGTERM)"))

    _signal.signal(_signal.SIGTERM, terminate)


def ignore() -> None:
    """From here on nothing is interrupted any more: the outcome is known and on its way."""
    _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
    _signal.setitimer(_signal.ITIMER_REAL, 0)


class Alarm:
    """A time limit on the code inside: FlowTimedOut is raised there when it is over.

    Works in the main thread, by the interval timer; limits may nest, the nearest is kept. In another thread Python
    has no way to interrupt, so there the limit only judges afterwards.
    """

    def __init__(self, seconds: float | None, what: str) -> None:
        self.seconds = seconds
        self.what = what
        self.fired = False
        self._armed = False
        self._handler: Any = None
        self._outer = 0.0

    def __enter__(self) -> "Alarm":
        self._outer = _signal.getitimer(_signal.ITIMER_REAL)[0]
        if self.seconds is None or 0 < self._outer <= self.seconds:
            return self
        try:
            self._handler = _signal.signal(_signal.SIGALRM, self._ring)
        except ValueError:  # not the main thread
            return self
        self._armed = True
        _signal.setitimer(_signal.ITIMER_REAL, self.seconds)
        return self

    def __exit__(self, kind: "type | None", error: "BaseException | None", trace: "TracebackType | None") -> None:
        if not self._armed:
            return
        left = _signal.getitimer(_signal.ITIMER_REAL)[0]
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        _signal.signal(_signal.SIGALRM, self._handler if self._handler is not None else _signal.SIG_DFL)
        if self._outer:
            spent = (self.seconds or 0.0) - left
            _signal.setitimer(_signal.ITIMER_REAL, max(self._outer - spent, 0.001))
        if self.fired and error is None:
            raise FlowTimedOut(self._message())

    def _ring(self, _number: int, _frame: "FrameType | None") -> None:
        self.fired = True
        interrupt(FlowTimedOut(self._message()))

    def _message(self) -> str:
        return f"{self.what} did not end within {self.seconds:g} s"
