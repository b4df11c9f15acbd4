"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], within: float = 5.0, *, message: str | Callable[[], object] = "", every: float = 0.01
) -> T:
    """Call `condition` until it answers something true, and return that; AssertionError after `within` seconds.

    `message` says what was waited for; given as a function it is asked at the deadline, so it may show what was found.
    An AssertionError raised by the condition counts as "not yet" and is shown at the deadline.
    """
    deadline = time.monotonic() + within
    last: object = None
    while True:
        try:
            last = condition()
        except AssertionError as error:
            last = error
        else:
            if last:
                return last
        if time.monotonic() >= deadline:
            break
        time.sleep(every)
    what = message() if callable(message) else message or getattr(condition, "__name__", "the condition")
    raise AssertionError(f"waited {within} s for: {what}; last answer: {last!r}")
