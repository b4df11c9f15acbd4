"""A run that has a process here: what connects the two, and what its frames mean."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.logs.batch import AttemptLog
from agent.logs.outbox import Outbox
from agent.logs.pump import Pump, as_us
from agent.loop import Loop
from agent.measuring import peak_kb
from agent.messages import Hello, Message, ResultCame, WireBroken
from agent.orders import Order
from agent.runners.outcome import Result
from agent.runners.subprocess_runner import Launched
from orchestrator.process.frames import VERSION, frame
from orchestrator.store.tasks import TaskRecord
from queues.states import State

LARGEST_ERROR = 64 * 1024
"""Bytes of a traceback that the record keeps; all of it is in the log."""


@dataclass(kw_only=True)
class Running:
    """The agent's side of one run's process."""

    order: Order
    life: int
    pump: Pump
    log: AttemptLog
    peak_kb: int = 0
    """The most memory its process had when it was last looked at."""

    def send(self, kind: str, body: dict[str, object]) -> None:
        """Send one frame to the run's process."""
        self.pump.send(frame(kind, body))


def connect(
    loop: Loop,
    outbox: Outbox,
    order: Order,
    launched: Launched,
    tell: Callable[[Message], None],
    hear_modules: Callable[[str, Any], None],
) -> Running:
    """Listen to a run's process: its lines and tasks go to the outbox, what decides about the run is told."""
    log = outbox.open(order.run_id, order.ref.token, order.attempt)
    run_id = order.run_id
    tasks: dict[str, TaskRecord] = {}

    def on_frame(kind: str, body: dict[str, Any]) -> None:
        if kind == "hello":
            tell(Hello(run_id) if body["version"] == VERSION else WireBroken(run_id))
        elif kind == "task":
            task = task_record(body, order.attempt, tasks.get(str(body["id"])))
            tasks[task.id] = task
            outbox.note_task(log, task)
        elif kind == "modules":
            hear_modules(run_id, body["names"])
        elif kind == "result":
            running.peak_kb = peak_kb(launched.pid)
            tell(ResultCame(run_id, result_of(body)))

    pump = Pump(
        loop,
        channel=launched.channel,
        outputs={1: launched.stdout, 2: launched.stderr},
        on_records=lambda records: outbox.add(log, records),
        on_frame=on_frame,
        on_broken=lambda: tell(WireBroken(run_id)),
    )
    pump.pause(outbox.full)
    running = Running(order=order, life=launched.life, pump=pump, log=log)
    return running


def task_record(body: dict[str, Any], attempt: int, before: TaskRecord | None) -> TaskRecord:
    """A task's move, on top of what is known of it; raises KeyError, TypeError or ValueError for what is none."""
    state, at = str(body["state"]), as_us(body["at"])
    started = before.started_us if before is not None else None
    if started is None and state != State.SCHEDULED and state != "PENDING":
        started = at
    ended = at if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None
    reason = body.get("reason")
    return TaskRecord(
        id=str(body["id"])[:64],
        name=str(body["name"])[:128],
        attempt=attempt,
        state=state[:32],
        started_us=started,
        ended_us=ended,
        reason=None if reason is None else str(reason),
    )


def result_of(body: dict[str, Any]) -> Result:
    """What a flow said last; raises KeyError or TypeError for what is none."""
    data: dict[str, bytes] = {}
    value, shown, traceback = body.get("value"), body.get("value_repr"), body.get("traceback")
    if isinstance(value, bytes) and value != b"null":
        data["result"] = value
    elif value is None and shown and shown != "None":
        data["result_repr"] = str(shown).encode("utf-8", "replace")
    if traceback:
        data["error"] = str(traceback).encode("utf-8", "replace")[-LARGEST_ERROR:]
    name = body.get("name")
    return Result(
        state=State.COMPLETED if body["state"] == State.COMPLETED else State.FAILED,
        name=None if name is None else str(name)[:64],
        message=str(body.get("message") or "")[:250],
        data=data,
    )
