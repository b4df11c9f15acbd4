"""What the client answers: frozen values whose field names are the JSON keys of the command line.

Times are aware datetimes in UTC; `to_json()` writes them as RFC 3339 with a `Z`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, FrozenInstanceError, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, dataclass_transform


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


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Value:
    """A frozen, keyword-only dataclass that knows its JSON form: its own field names, in their order.

    Its methods are written once here, not generated for each of the fifty classes of values: that took a tenth of what
    a command takes.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls) -> None:
        dataclass(init=False, repr=False, eq=False, kw_only=True)(cls)

    def __init__(self, **given: Any) -> None:
        known = self.__dataclass_fields__
        if unknown := [name for name in given if name not in known]:
            raise TypeError(f"expected {type(self).__name__} to have only fields that it has, got {unknown}")
        if missing := [name for name in known if name not in given and not hasattr(type(self), name)]:
            raise TypeError(f"expected {type(self).__name__} to have all of its fields, got none of {missing}")
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(getattr(other, name) == value for name, value in self._fields())

    def __hash__(self) -> int:
        return hash(tuple(self._fields()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._fields())})"

    def _fields(self) -> Iterator[tuple[str, Any]]:
        return ((name, getattr(self, name)) for name in self.__dataclass_fields__)

    def to_json(self) -> dict[str, Any]:
        return {name: as_json(value) for name, value in self._fields()}


class Change(Value):
    """One change by an operator: who changed what, from what, to what."""

    at: datetime
    who: str
    what: str
    old: str | None
    new: str | None


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


class StateMove(Value):
    """One move of a run's history."""

    timestamp: datetime
    state: str
    actor: str
    reason: str | None


class TaskRun(Value):
    """One task run inside a flow run, of one attempt of it."""

    id: str
    name: str
    attempt: int
    state: str
    start_time: datetime | None
    end_time: datetime | None
    reason: str | None


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
    env: Mapping[str, str]  # the variables of the run's own
    state_history: tuple[StateMove, ...]
    exit_code: int | None
    signal: str | None
    max_rss_bytes: int | None  # the most memory that its processes had at once, as far as the kernel tells
    cpu_seconds: float | None  # of all its processes
    reason: str | None
    error: str | None  # the traceback of a failed run, as text
    result: Any
    tasks: tuple[TaskRun, ...]


class Cancelled(Value):
    """Answer of `cancel`: `state` is CANCELLED at once for a waiting run, CANCELLING for a held one."""

    id: str
    name: str
    state_before: str
    state: str


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


class SlotHolder(Value):
    """A run that holds a slot of a limit, and since when; `host` is that of its agent, as far as known."""

    run_id: str
    name: str
    state: str
    agent: str | None
    host: str | None
    since: datetime


class Reason(Value):
    """One reason why a run is not running: a code for scripts, a sentence, and the command that changes it.

    `brief` is the sentence in a few words, as lists show it.
    """

    code: str
    text: str
    brief: str
    command: str | None = None
    details: Mapping[str, Any] | None = None


class Explanation(Value):
    """Why a run is not running (or that it is). The first reason is the one to act on."""

    id: str
    name: str
    state: str
    state_name: str
    summary: str
    reasons: tuple[Reason, ...]
    holders: tuple[SlotHolder, ...]
