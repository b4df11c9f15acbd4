"""The state of a flow run or task run as the flow's own process sees it: plain text types, no enum to import."""

SCHEDULED = "SCHEDULED"
PENDING = "PENDING"
RUNNING = "RUNNING"
COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
FINAL = (COMPLETED, FAILED, CANCELLED)

REASON_LIMIT = 500
_PLAIN = {type: type.capitalize() for type in (PENDING, RUNNING, COMPLETED)}


class State:
    """One state: its type, a more telling name, a reason, and what the run returned or raised.

    Equal to another state or text of the same type, so that ``future.state == "COMPLETED"`` reads as it should.
    """

    __slots__ = ("_error", "_traceback", "_value", "message", "name", "type")

    def __init__(
        self,
        type: str,
        name: str | None = None,
        message: str = "",
        value: object = None,
        error: BaseException | None = None,
    ) -> None:
        self.type = type
        self.name = name or type.capitalize()
        self.message = message
        self._value = value
        self._error = error
        # Kept apart: every raise of the same exception would lengthen the traceback it carries.
        self._traceback = error.__traceback__ if error is not None else None

    def result(self, raise_on_failure: bool = True) -> object:
        """What the run returned; raises what the run raised, or returns the exception if asked not to raise."""
        if self._error is None:
            return self._value
        if raise_on_failure:
            raise self._error.with_traceback(self._traceback)
        return self._error

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the run, if one did."""
        return self._error

    def is_plain(self) -> bool:
        """Whether its type says all there is to be told: no other name, no reason."""
        return self.type in _PLAIN and not self.message and self.name == _PLAIN[self.type]

    def is_final(self) -> bool:
        return self.type in FINAL

    def is_pending(self) -> bool:
        return self.type == PENDING

    def is_running(self) -> bool:
        return self.type == RUNNING

    def is_completed(self) -> bool:
        return self.type == COMPLETED

    def is_failed(self) -> bool:
        return self.type == FAILED

    def is_cancelled(self) -> bool:
        return self.type == CANCELLED

    def __eq__(self, other: object) -> bool:
        if isinstance(other, State):
            return (self.type, self.name) == (other.type, other.name)
        return self.type == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.type)

    def __str__(self) -> str:
        return self.type if self.name == self.type.capitalize() else f"{self.type} ({self.name})"

    def __repr__(self) -> str:
        return f"{self.name}({self.message!r})" if self.message else f"{self.name}()"


def completed(value: object = None) -> State:
    """The state of a run that returned this value."""
    return State(COMPLETED, value=value)


def failed(error: BaseException) -> State:
    """The state of a run that raised this; the name tells a time-out and an upstream failure from the rest.

    Frames of this SDK are cut out of its traceback: what the author sees leads through his own code only.
    """
    from orchestrator.sdk.tracebacks import without_ours

    error.__traceback__ = without_ours(error.__traceback__)
    name = _NAMES.get(type(error).__name__) if type(error).__module__ == "orchestrator.sdk.errors" else None
    return State(CANCELLED if name == "Cancelled" else FAILED, name, describe(error), error=error)


_NAMES = {
    "FlowTimedOut": "TimedOut",
    "TaskTimedOut": "TimedOut",
    "TaskCancelled": "Cancelled",
    "UpstreamFailed": "UpstreamFailed",
    "ParameterError": "ParameterError",
    "RunTerminated": "Terminated",
}


def describe(error: BaseException) -> str:
    """An exception as one short line; never raises, whatever the exception's own __str__ does."""
    name = type(error).__name__
    try:
        text = str(error).strip()
    except Exception:
        text = "(its message can not be shown)"
    line = f"{name}: {text}" if text else name
    return line if len(line) <= REASON_LIMIT else line[: REASON_LIMIT - 1] + "…"
