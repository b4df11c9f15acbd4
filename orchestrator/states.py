"""What users call the states of a run: the states themselves, and the names that tell more about some of them.

A name is recorded with the state (AwaitingRetry, TimedOut, Poison …) or derived when it is shown (Late).
"""

from dataclasses import dataclass

from queues.states import AWAITING_RETRY, State


@dataclass(frozen=True, kw_only=True)
class StateName:
    """A name, the state it belongs to, and what it tells."""

    name: str
    state: State
    says: str


LATE = StateName(name="Late", state=State.QUEUED, says="has been due for a while and no agent has claimed it")
AWAITING = StateName(
    name=AWAITING_RETRY, state=State.SCHEDULED, says="has failed and will be tried again at its due time"
)
TIMED_OUT = StateName(name="TimedOut", state=State.FAILED, says="ran longer than its timeout_seconds")
EXITED = StateName(name="Exited", state=State.FAILED, says="called sys.exit with something else than 0")
PARAMETER_ERROR = StateName(name="ParameterError", state=State.FAILED, says="its parameters do not fit the flow")
TERMINATED = StateName(name="Terminated", state=State.FAILED, says="its process was asked to end")
POISON = StateName(
    name="Poison", state=State.CRASHED, says="its agent was lost at every try, the last time while it ran alone"
)

NAMES = {one.name: one for one in (LATE, AWAITING, TIMED_OUT, EXITED, PARAMETER_ERROR, TERMINATED, POISON)}


def shown_name(state: State, recorded: str | None = None, *, late: bool = False) -> str:
    """What a run's state is called: `Running`, `AwaitingRetry`, `Late`."""
    if recorded:
        return recorded
    return LATE.name if late and state == LATE.state else state.value.capitalize()
