"""The states of a run and the legal moves between them: the one table that guards, drawings and tests are made from."""

from enum import StrEnum


class State(StrEnum):
    """Where a run stands; the text is what Redis holds and what users read."""

    SCHEDULED = "SCHEDULED"
    """Waits for its due time; a retry waits here too, under the name AwaitingRetry."""
    QUEUED = "QUEUED"
    """Is due and stands on its work queue, or is parked under a full limit."""
    PENDING = "PENDING"
    """Is claimed: an agent holds its slot and starts its process."""
    RUNNING = "RUNNING"
    """Has confirmed its claim: user code runs under the slot."""
    PAUSED = "PAUSED"
    """Waits for a person in the middle of its work and holds no slot."""
    CANCELLING = "CANCELLING"
    """Was cancelled while held: its agent ends the process, the slot is still taken."""
    COMPLETED = "COMPLETED"
    """Ended as its author meant it to."""
    FAILED = "FAILED"
    """Ended with an error of the flow."""
    CRASHED = "CRASHED"
    """Ended because its process or its agent was lost."""
    CANCELLED = "CANCELLED"
    """Ended because someone asked for it."""


TRANSITIONS: dict[State, frozenset[State]] = {
    State.SCHEDULED: frozenset({State.QUEUED, State.CANCELLED}),
    State.QUEUED: frozenset({State.PENDING, State.CANCELLED}),
    State.PENDING: frozenset(
        {
            State.RUNNING,
            State.QUEUED,
            State.SCHEDULED,
            State.CANCELLING,
            State.FAILED,
            State.CRASHED,
            State.CANCELLED,
        }
    ),
    State.RUNNING: frozenset(
        {
            State.COMPLETED,
            State.FAILED,
            State.CRASHED,
            State.CANCELLED,
            State.CANCELLING,
            State.PAUSED,
            State.QUEUED,
            State.SCHEDULED,
        }
    ),
    State.PAUSED: frozenset({State.QUEUED, State.FAILED, State.CANCELLED}),
    State.CANCELLING: frozenset({State.CANCELLED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CRASHED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""From each state, the states a run may move to; every other move is refused and changes nothing."""

INITIAL: frozenset[State] = frozenset({State.SCHEDULED, State.QUEUED})
"""The states a new run may have."""

HELD: frozenset[State] = frozenset({State.PENDING, State.RUNNING, State.CANCELLING})
"""The states in which an agent holds the run's slots under a lease."""

TERMINAL: frozenset[State] = frozenset(state for state, onward in TRANSITIONS.items() if not onward)
"""The states that are final."""

LETTERS: dict[State, str] = {
    State.SCHEDULED: "S",
    State.QUEUED: "Q",
    State.PENDING: "P",
    State.RUNNING: "R",
    State.PAUSED: "U",
    State.CANCELLING: "X",
    State.COMPLETED: "C",
    State.FAILED: "F",
    State.CRASHED: "L",
    State.CANCELLED: "K",
}
"""How the history of a run that has ended spells a state."""

AWAITING_RETRY = "AwaitingRetry"
"""The name a SCHEDULED run has between two tries."""


def may_move(before: State, after: State) -> bool:
    """Say whether the table allows the move."""
    return after in TRANSITIONS[before]


def drawing() -> str:
    """Draw the table as a Mermaid state diagram, for the pages that explain it."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {state}" for state in State if state in INITIAL)]
    lines += [f"    {before} --> {after}" for before in State for after in State if after in TRANSITIONS[before]]
    return "\n".join([*lines, *(f"    {state} --> [*]" for state in State if state in TERMINAL)])
