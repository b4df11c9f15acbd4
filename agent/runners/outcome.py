"""From what became of a run's process to what is said about the run; pure.

Decided in this order: what the agent itself did to the process (cancel, time-out, drain, a lost lease), then the
result that the flow sent, then how the process ended.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from queues.claims import Outcome
from queues.states import State

TIMED_OUT = "TimedOut"
NOT_PREPARED = "NotPrepared"
OVER_LIMIT = "OverLimit"


class Verdict(Enum):
    """Why the agent ended a run's process itself."""

    CANCELLED = "someone asked for the run to be cancelled"
    TIMED_OUT = "the run took longer than it may"
    DRAINED = "the agent stops"
    OVER_LIMIT = "the run used more than its limits allow"
    STALLED = "the flow's process did not report within the start time-out"
    CUT = "the agent was cut off from Redis, and killed the run before its lease ended"
    AWAY = "Redis was away for longer than HEADGATE_OUTAGE_SECONDS"
    LOST = "the claim is no longer this agent's"
    FORGED = "the flow's process broke the wire protocol"

    @property
    def at_once(self) -> bool:
        """Whether there is no time for SIGTERM: another agent may start the run, or nobody can speak to the process."""
        return self not in (Verdict.CANCELLED, Verdict.TIMED_OUT, Verdict.DRAINED)


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a process ended, and what it used with the children it waited for."""

    code: int | None = None
    signal: int | None = None
    max_rss_kb: int = 0
    cpu_seconds: float = 0.0
    oom_kills: int = 0
    """Kills for want of memory that the kernel counted meanwhile in the agent's control group."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a flow's process said last: the end of the flow in its own words."""

    state: str
    name: str | None = None
    message: str = ""
    data: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the deployment says about ends."""

    retries: int = 0
    retry_delay_seconds: float = 0.0
    failures: int = 0
    """Tries that have failed before this one."""
    timeout_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """All that is known when the last process of a run is gone."""

    rules: Rules
    exit: Exit
    verdict: Verdict | None = None
    result: Result | None = None
    confirmed: bool = False
    """Whether user code may have run."""
    last_words: str = ""
    """The last line on stderr: why a process ended that never spoke to the agent."""
    over_limit: str = ""
    """The limit that the run was ended for, or came to its end by, in words; empty when there is none."""


@dataclass(frozen=True)
class GiveBack:
    """The run goes back to its place in line; `counts_as_loss` so that it does not come back for ever.

    `unstarted`: nothing of it ran, and this was no attempt.
    """

    reason: str
    counts_as_loss: bool = False
    unstarted: bool = False


Delivery = Outcome | GiveBack | None
"""What is sent to Redis about a run; None when the run is another agent's by now."""


def delivery(ending: Ending) -> Delivery:
    """What Redis is told about a run whose processes are all gone."""
    verdict = ending.verdict
    if verdict is Verdict.LOST:
        return None
    if verdict is Verdict.CANCELLED:
        return Outcome(state=State.CANCELLED, reason="cancelled", fields=facts(ending.exit))
    if verdict is Verdict.TIMED_OUT:
        return failed(ending, f"took longer than {ending.rules.timeout_seconds:g} s", name=TIMED_OUT)
    if verdict is Verdict.OVER_LIMIT or (verdict is None and ending.over_limit):
        # What the flow itself said of it, a MemoryError for instance, stays with the run as its traceback.
        data = None if ending.result is None else ending.result.data
        return failed(ending, ending.over_limit, name=OVER_LIMIT, data=data)
    if verdict is Verdict.FORGED and ending.result is None:
        return failed(ending, verdict.value, state=State.CRASHED)
    if verdict is Verdict.DRAINED and ending.result is not None and ending.result.state != State.COMPLETED:
        # What a flow says about SIGTERM is not how it would have ended: it runs again.
        return GiveBack(verdict.value)
    if ending.result is not None:
        return from_result(ending, ending.result)
    if verdict is not None:
        return GiveBack(verdict.value, counts_as_loss=verdict is Verdict.STALLED)
    return failed(ending, how_it_ended(ending), state=State.CRASHED)


def unusable(reason: str) -> Outcome:
    """A run whose record can not be made an order of: it fails, others go on."""
    return Outcome(state=State.FAILED, name="BadRecord", reason=reason)


def not_prepared(reason: str) -> Outcome:
    """A run whose code or environment can not be brought here: a new try at once would end the same way."""
    return Outcome(state=State.FAILED, name=NOT_PREPARED, reason=reason)


def from_result(ending: Ending, result: Result) -> Outcome:
    """The flow ended in its own words."""
    if result.state == State.COMPLETED:
        return Outcome(
            state=State.COMPLETED,
            name=result.name,
            reason=result.message,
            fields=facts(ending.exit),
            data=result.data,
        )
    return failed(ending, result.message or "failed", name=result.name, data=result.data)


def failed(
    ending: Ending,
    reason: str,
    *,
    name: str | None = None,
    data: Mapping[str, bytes] | None = None,
    state: str = State.FAILED,
) -> Outcome:
    """A try that did not succeed: the last one, or one that is followed by another."""
    rules = ending.rules
    retry = rules.retry_delay_seconds if rules.failures < rules.retries else None
    return Outcome(
        state=state, name=name, reason=reason, retry_in_seconds=retry, fields=facts(ending.exit), data=data or {}
    )


def how_it_ended(ending: Ending) -> str:
    """The end of a process without a result, in words a user can act on."""
    end = ending.exit
    if end.signal is not None:
        return f"killed by signal {end.signal}{why_killed(end)}"
    before = "" if ending.confirmed else " before the flow was loaded"
    words = f": {ending.last_words}" if ending.last_words and end.code else ""
    return f"exited with code {end.code} without a result{before}{words}"


def why_killed(end: Exit) -> str:
    """What is likely behind a signal that the agent did not send."""
    memory = f"max RSS {end.max_rss_kb // 1024} MB"
    if end.signal == signal.SIGKILL and end.oom_kills:
        return f": out of memory ({memory}; the kernel counted an OOM kill)"
    if end.signal == signal.SIGKILL:
        return f", likely out of memory ({memory})"
    return f" ({name_of(end.signal or 0)})"


def name_of(number: int) -> str:
    """A signal as people call it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def facts(end: Exit) -> dict[str, str | int]:
    """What the record keeps of a process."""
    found: dict[str, str | int] = {"max_rss_kb": end.max_rss_kb, "cpu_ms": round(end.cpu_seconds * 1000)}
    if end.signal is not None:
        return found | {"signal": name_of(end.signal)}
    return found | {"exit_code": end.code} if end.code is not None else found
