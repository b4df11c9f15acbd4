"""What the client answers when it changes runs: frozen values whose field names are JSON keys."""

from __future__ import annotations

from orchestrator.client.values import Value


class RunDeleted(Value):
    """Answer of `delete`: `state` is how the run had ended."""

    id: str
    name: str
    state: str


class RunOutcome(Value):
    """What became of one of many runs.

    `outcome` is `done`, `unchanged` (it was so already) or `refused`; `state` is the run's state now, None when it is
    gone; `new_id` is the run that a retry made; `message` says more, always when it was refused.
    """

    id: str
    name: str
    outcome: str
    state: str | None
    new_id: str | None
    message: str | None


class Chosen(Value):
    """Ids of runs that a verb would be done to, in the order in which it is best done.

    `left_out` counts those that fit but were left out because it was done to them before. `states` are those that were
    asked for, which a run may have left by the time it is done; none when any would do.
    """

    ids: tuple[str, ...]
    left_out: int = 0
    states: tuple[str, ...] = ()
