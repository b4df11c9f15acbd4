"""From records in Redis to the values that the client answers; pure."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid5

from orchestrator.client.deployment_values import SkippedInstants
from orchestrator.client.queue_values import AgentInfo, Preparing
from orchestrator.client.values import Change, LogLine, StateMove, TaskRun
from orchestrator.runs import NAMESPACE, run_name
from orchestrator.states import shown_name
from orchestrator.store.history import ChangeRecord
from orchestrator.store.run_logs import SOURCES, Line
from orchestrator.store.runs import deployment_of
from orchestrator.store.schedules import Skip
from orchestrator.store.tasks import TaskRecord
from queues.clock import SECOND_US, from_us
from queues.decoding import from_json
from queues.errors import BadPayload
from queues.presence import PREPARING, Agent
from queues.records import Run
from queues.states import HELD, TERMINAL, State

T = TypeVar("T")
GAP = "gap"
NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
LARGEST_VALUE = 8 << 20
"""Bytes of a result that are decoded; a flow's process sends no more."""
SWITCH = {"0": "no", "1": "yes"}
LARGEST_TEXT = 64 << 10
"""Bytes of what is no JSON that are shown."""

LARGEST_PREPARING = 64 << 10
"""Bytes of what an agent says it prepares that are looked at."""


def moment(at_us: int | None) -> datetime | None:
    """Microseconds since the epoch as a datetime in UTC; None stays None."""
    return None if at_us is None else from_us(at_us)


def utc_text(at_us: int) -> str:
    """A time in a sentence, to the second."""
    return from_us(at_us).strftime("%Y-%m-%d %H:%M:%S UTC")


def seconds_text(microseconds: int) -> str:
    """A duration in a sentence: its two largest units."""
    seconds = max(microseconds, 0) / SECOND_US
    if seconds < 10:
        return f"{seconds:.1f} s"
    parts: list[str] = []
    rest = round(seconds)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part)


def is_late(run: Run, now_us: int, late_us: int) -> bool:
    """Whether a run has been due for too long and nobody has claimed it."""
    return run.state == State.QUEUED and run.attempt == 0 and now_us - run.due_us > late_us


def shown_state(run: Run, now_us: int, late_us: int) -> str:
    """The name of a run's state for people: Completed, Late, AwaitingRetry …"""
    return shown_name(run.state, run.state_name, late=is_late(run, now_us, late_us))


def name_of(run: Run) -> str:
    """What a run is called."""
    return run.fields.get("name") or run_name(run.id)


def row(run: Run, now_us: int, late_us: int, why: str | None) -> dict[str, Any]:
    """The fields of FlowRun for a record; `why` is its explanation in short words."""
    agent = run.agent if run.state in HELD or run.state in TERMINAL else None
    return {
        "id": run.id,
        "name": name_of(run),
        "flow": run.fields.get("flow", ""),
        "deployment": deployment_of(run),
        "state": run.state.value,
        "state_name": shown_state(run, now_us, late_us),
        "work_queue": run.queue,
        "scheduled_start_time": from_us(run.due_us),
        "start_time": moment(run.started_us),
        "end_time": moment(run.ended_us),
        "attempt": run.attempt,
        "agent": agent,
        "why": why,
    }


def behind(items: Sequence[T], last: T | None) -> Sequence[T]:
    """What follows an item that was met before: all when there was none, or when it is not among them any more.

    Not by times, which a clock may set back, nor by places: of a long history the middle is not kept.
    """
    place = next((at for at in range(len(items), 0, -1) if items[at - 1] == last), 0)
    return items[place:]


def moves(run: Run) -> tuple[StateMove, ...]:
    """The history of a record."""
    return tuple(
        StateMove(timestamp=from_us(move.at_us), state=move.state.value, actor=move.actor, reason=move.reason or None)
        for move in run.history
    )


def task_run(task: TaskRecord) -> TaskRun:
    """A task run as shown."""
    return TaskRun(
        id=task.id,
        name=task.name,
        attempt=task.attempt,
        state=task.state,
        start_time=moment(task.started_us),
        end_time=moment(task.ended_us),
        reason=task.reason,
    )


def log_lines(lines: Sequence[Line], where: str) -> list[LogLine]:
    """Lines as shown; a line whose predecessors are gone is preceded by one that says so, with `where` they may be."""
    shown: list[LogLine] = []
    for line in lines:
        one = log_line(line)
        if line.missing:
            text, before = f"… {line.missing:,} lines are not kept here{where} …", one.sequence - 1
            place = f"{one.attempt}-{before}"
            shown.append(
                replace(one, sequence=before, source=GAP, logger=None, task=None, message=text, position=place)
            )
        shown.append(one)
    return shown


def log_line(line: Line) -> LogLine:
    """One line as shown."""
    record = line.record
    return LogLine(
        timestamp=from_us(record.at_us),
        attempt=line.at.attempt,
        sequence=line.at.sequence,
        level=record.level,
        source=SOURCES[record.source] if 0 <= record.source < len(SOURCES) else SOURCES[0],
        logger=record.logger,
        task=record.task,
        message=record.text,
        position=str(line.at),
    )


def decoded(data: bytes | None) -> Any:
    """A JSON value out of Redis; what is no JSON is shown as text."""
    if data is None:
        return None
    try:
        return from_json(data, most=LARGEST_VALUE)
    except BadPayload:
        return data[:LARGEST_TEXT].decode("utf-8", "replace")


def number(text: str | None) -> int | None:
    """A whole number out of a record; None when it is none."""
    return int(text) if text is not None and NUMBER.fullmatch(text) else None


def memory_bytes(kib: str | None) -> int | None:
    """Bytes of a number of KiB in a record."""
    found = number(kib)
    return None if found is None else found * 1024


def cpu_seconds(milliseconds: str | None) -> float | None:
    """Seconds of a number of milliseconds in a record."""
    found = number(milliseconds)
    return None if found is None else found / 1000


def variables(data: bytes | None) -> dict[str, str]:
    """The variables that a run was made with; what can not be read is shown by how the run ended."""
    found = decoded(data)
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def change(record: ChangeRecord) -> Change:
    """An operator's change as shown."""
    old, new = (SWITCH.get(text or "", text) if record.field == "paused" else text for text in (record.old, record.new))
    return Change(at=from_us(record.at_us), who=record.actor, what=record.field, old=old, new=new)


def skipped(skip: Skip) -> SkippedInstants:
    """Skipped instants as shown."""
    return SkippedInstants(
        at=from_us(skip.at_us),
        slug=skip.slug,
        first=from_us(skip.first_us),
        last=from_us(skip.last_us),
        count=skip.count,
        reason=skip.reason,
    )


def agent_id(agent: Agent) -> str:
    """An agent's id: short enough for a table, and its beginning tells agents of one machine apart."""
    return str(uuid5(NAMESPACE, f"agent/{agent.instance}"))


def agent_fields(agent: Agent) -> dict[str, Any]:
    """The fields of a listed agent."""
    return {
        "id": agent_id(agent),
        "name": agent.name,
        "host": agent.identity.host,
        "pid": agent.identity.pid,
        "queues": agent.queues,
        "limit": agent.limit,
        "running": agent.running,
        "state": agent.state,
        "last_heartbeat": from_us(agent.seen_us),
        "preparing": preparing(agent.info.get(PREPARING, "")),
        "labels": agent.labels,
    }


def preparing(text: str) -> tuple[Preparing, ...]:
    """What an agent says it prepares; what can not be read, or is a newer agent's, is nothing."""
    try:
        told = from_json(text.encode(), most=LARGEST_PREPARING) if text else {}
        return tuple(
            Preparing(
                deployment=str(name), part=str(one["part"]), what=str(one["what"]), since=from_us(int(one["since_us"]))
            )
            for name, one in told.items()
        )
    except (BadPayload, AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return ()


def agent_info(agent: Agent) -> AgentInfo:
    """An agent as listed."""
    return AgentInfo(**agent_fields(agent))
