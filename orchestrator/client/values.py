"""What the client answers: frozen values whose field names are the JSON keys of the command line.

Times are aware datetimes in UTC; `to_json()` writes them as RFC 3339 with a `Z`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any


def as_json(value: Any) -> Any:
    """`value` made of what JSON knows: dataclasses become maps, datetimes RFC 3339 UTC text, tuples lists."""
    if isinstance(value, Value):
        return value.to_json()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return value


class Value:
    """A frozen dataclass that knows its JSON form: its own field names, in their order."""

    def to_json(self) -> dict[str, Any]:
        return {field.name: as_json(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Change(Value):
    """One change by an operator: who changed what, from what, to what."""

    at: datetime
    who: str
    what: str
    old: str | None
    new: str | None


@dataclass(frozen=True, kw_only=True)
class FlowRun(Value):
    """A flow run as listed. `deployment` is `flow/deployment`; `why` says in one line why it is where it is."""

    id: str
    name: str
    flow: str
    deployment: str
    state: str
    state_name: str
    work_queue: str
    scheduled_start_time: datetime
    start_time: datetime | None
    end_time: datetime | None
    attempt: int
    agent: str | None
    why: str | None


@dataclass(frozen=True, kw_only=True)
class StateMove(Value):
    """One move of a run's history."""

    timestamp: datetime
    state: str
    actor: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class TaskRun(Value):
    """One task run inside a flow run, of one attempt of it."""

    id: str
    name: str
    attempt: int
    state: str
    start_time: datetime | None
    end_time: datetime | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class FlowRunDetail(FlowRun):
    """A flow run with everything that `inspect` shows. `result` is the decoded JSON value of the flow."""

    deployment_id: str
    revision: int
    code_version: str | None
    created_by: str
    tags: tuple[str, ...]
    requires: tuple[str, ...]  # labels that its agent must have
    retry_of: str | None
    parameters: Mapping[str, Any]
    state_history: tuple[StateMove, ...]
    exit_code: int | None
    signal: str | None
    reason: str | None
    error: str | None  # the traceback of a failed run, as text
    result: Any
    tasks: tuple[TaskRun, ...]


@dataclass(frozen=True, kw_only=True)
class Cancelled(Value):
    """Answer of `cancel`: `state` is CANCELLED at once for a waiting run, CANCELLING for a held one."""

    id: str
    name: str
    state_before: str
    state: str


@dataclass(frozen=True, kw_only=True)
class LogLine(Value):
    """One line of a run's log. `source` is `log`, `stdout` or `stderr`; a gap has `source == "gap"`.

    Order is (attempt, sequence); sequence counts from 1 in each attempt. `position` names the line to `read_logs`.
    """

    timestamp: datetime
    attempt: int
    sequence: int
    level: int
    source: str
    logger: str | None
    task: str | None
    message: str
    position: str


@dataclass(frozen=True, kw_only=True)
class SlotHolder(Value):
    """A run that holds a slot of a limit, and since when; `host` is that of its agent, as far as known."""

    run_id: str
    name: str
    state: str
    agent: str | None
    host: str | None
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Reason(Value):
    """One reason why a run is not running: a code for scripts, a sentence, and the command that changes it.

    `brief` is the sentence in a few words, as lists show it.
    """

    code: str
    text: str
    brief: str
    command: str | None = None
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation(Value):
    """Why a run is not running (or that it is). The first reason is the one to act on."""

    id: str
    name: str
    state: str
    state_name: str
    summary: str
    reasons: tuple[Reason, ...]
    holders: tuple[SlotHolder, ...]
