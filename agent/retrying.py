"""Trying a call to Redis again until it is answered: after 0.05 s, doubling to 1 s, the time of the try included.

A try that timed out is followed by the next one at once, so that a connection is found soon after a cut has healed.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from agent import events
from queues.errors import RedisFailure

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0

T = TypeVar("T")


class GivenUp(Exception):
    """The agent is leaving and does not wait for Redis any longer."""


class Patience:
    """Repeats calls for the threads of one agent; `give_up` makes every call that is being repeated end in GivenUp."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def give_up(self) -> None:
        """Repeat nothing any more."""
        self._over.set()

    @property
    def over(self) -> bool:
        """Whether nothing is repeated any more."""
        return self._over.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait; true when nothing is repeated any more."""
        return self._over.wait(seconds)

    def until_answered(self, what: str, call: Callable[[], T]) -> T:
        """Call until Redis answers, whether it is away, cut off or out of memory. Other errors pass."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                answer = call()
            except RedisFailure as failure:
                events.unreachable(what=what, cause=str(failure))
                if self.pause(max(FIRST_PAUSE, began + pause - time.monotonic())):
                    raise GivenUp from failure
                pause = min(LONGEST_PAUSE, 2 * pause)
            else:
                return answer
