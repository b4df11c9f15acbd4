"""A run under an agent: log records and moves of tasks and subflows become frames."""

import time

from orchestrator.process import moves
from orchestrator.process.link import Link
from orchestrator.sdk import context
from orchestrator.sdk.context import FlowRun, TaskRun
from orchestrator.sdk.states import FAILED, REASON_LIMIT, SCHEDULED, State

_LOUD = (FAILED, SCHEDULED)  # moves of tasks that are worth a line in the log
_LONGEST = 1024 * 1024


class AgentReporter:
    """Sends what happens in the run over the link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def log(self, level: int, logger: str, message: str) -> None:
        """Send one record; its task and subflow are those of the current code."""
        body: dict[str, object] = {"at": time.time(), "level": level, "logger": logger, "message": _bounded(message)}
        task = context.task_run_var.get()
        run = task.flow_run if task is not None else context.flow_run_var.get()
        if task is not None:
            body["task"] = task.id
        if run is not None and run.parent is not None:
            body["run"] = run.name
        self._link.send("log", body)

    def task_moved(self, run: TaskRun, state: State) -> None:
        """Send a task's new state; failures and retries get a log line too."""
        above = run.parent or (run.flow_run if run.flow_run.parent is not None else None)
        parent = above.id if above is not None else None
        if state.is_plain():
            self._link.send_soon(moves.move(run.id, run.task.name, state.type, time.time(), run.attempt, parent))
            return
        body = _move(run.id, run.task.name, "task", state, run.attempt)
        if parent is not None:
            body["parent"] = parent
        self._link.send("task", body)
        if state.type in _LOUD:
            self._tell("of_task", run, state)

    def flow_moved(self, run: FlowRun, state: State) -> None:
        """Send a subflow's new state; the root run's states are the agent's own business."""
        if run.parent is None:
            return
        body = _move(run.id, run.flow_name, "flow", state, run.attempt)
        if run.parent_task is not None:
            body["parent"] = run.parent_task.id
        elif run.parent.parent is not None:
            body["parent"] = run.parent.id
        self._link.send("task", body)
        self._tell("of_flow", run, state)

    def _tell(self, kind: str, run: object, state: State) -> None:
        from orchestrator.sdk import narrative

        told = getattr(narrative, kind)(run, state)
        if told is not None:
            self.log(told[0], "flow", told[1])


def _move(id: str, name: str, kind: str, state: State, attempt: int) -> dict[str, object]:
    body: dict[str, object] = {
        "id": id,
        "name": name,
        "kind": kind,
        "state": state.type,
        "at": time.time(),
        "attempt": attempt,
    }
    if state.name != state.type.capitalize():
        body["state_name"] = state.name
    if state.message:
        body["reason"] = state.message[:REASON_LIMIT]
    return body


def _bounded(message: str) -> str:
    if len(message) <= _LONGEST:
        return message
    return f"{message[:_LONGEST]}… ({len(message) - _LONGEST} characters cut)"
