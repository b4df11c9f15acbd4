"""How often something is tried and how long it may take: the checks of those numbers, and the clock for tasks."""

import _thread
from _contextvars import copy_context

from orchestrator.sdk import workers
from orchestrator.sdk.errors import TaskTimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MOST_RETRIES = 10_000
LONGEST_DELAY = 30 * 24 * 3600.0
SHORTEST_DELAY = 0.1  # a task that fails at once and is retried at once would spin


def checked_retries(value: object, owner: str) -> int:
    """`retries` of a flow or task; raises ValueError that says what is allowed."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_RETRIES:
        raise ValueError(f"{owner}: expected retries to be a whole number from 0 to {MOST_RETRIES}, got {value!r}")
    return value


def checked_delay(value: object, owner: str) -> float:
    """`retry_delay_seconds`: a fixed number of seconds, or a timedelta."""
    seconds = _seconds(value)
    if seconds is None or not 0 <= seconds <= LONGEST_DELAY:
        allowed = f"a fixed number of seconds from 0 to {LONGEST_DELAY:.0f}"
        raise ValueError(f"{owner}: expected retry_delay_seconds to be {allowed}, got {value!r}")
    return seconds


def checked_timeout(value: object, owner: str) -> float | None:
    """`timeout_seconds`: more than 0, or None for no limit."""
    if value is None:
        return None
    seconds = _seconds(value)
    if seconds is None or not 0 < seconds <= 366 * 24 * 3600:
        raise ValueError(f"{owner}: expected timeout_seconds to be a number of seconds above 0, got {value!r}")
    return seconds


def _seconds(value: "Any") -> float | None:
    if hasattr(value, "total_seconds"):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        return None  # NaN compares with nothing, so it ends here as well
    return float(value)


def delay_before_retry(delay: float) -> float:
    """What is really waited before the next attempt."""
    return max(delay, SHORTEST_DELAY)


def within(seconds: float, call: "Callable[[], Any]", what: str) -> "Any":
    """Run the call in a thread of its own and give up on it after so many seconds: TaskTimedOut.

    Python can not stop a thread, so an abandoned call goes on unseen until it ends or the process does.
    """
    outcome: list[tuple[bool, Any]] = []
    latch = _thread.allocate_lock()
    latch.acquire()
    pool = workers.workers()
    context = copy_context()

    def attempt() -> None:
        me = _thread.get_ident()
        pool.adopt(me)
        try:
            outcome.append((True, context.run(call)))
        except BaseException as error:
            outcome.append((False, error))
        finally:
            pool.dismiss(me)
            latch.release()

    _thread.start_new_thread(attempt, ())
    if not latch.acquire(timeout=seconds):
        raise TaskTimedOut(f"{what} did not end within {seconds:g} s")
    succeeded, value = outcome[0]
    if succeeded:
        return value
    raise value
