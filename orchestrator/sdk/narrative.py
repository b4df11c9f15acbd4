"""What a change of state reads like as a log line, on the terminal and in an agent's logs alike."""

import time

from orchestrator.sdk import tracebacks
from orchestrator.sdk.context import FlowRun, TaskRun
from orchestrator.sdk.logger import ERROR, INFO, WARNING
from orchestrator.sdk.states import COMPLETED, FAILED, RUNNING, SCHEDULED, State


def of_task(run: TaskRun, state: State) -> tuple[int, str] | None:
    """Level and text, or None for a move that is not worth a line."""
    if state.type == COMPLETED:
        return INFO, f"task run {run.id} completed in {_since(run.started)}"
    if state.type == SCHEDULED:
        return WARNING, f"task run {run.id} failed and will be retried: {state.message}"
    if state.type == FAILED and state.error is not None and state.name != "UpstreamFailed":
        return ERROR, f"task run {run.id} failed: {state.message}\n{tracebacks.formatted(state.error)}"
    if state.is_final():
        return WARNING, f"task run {run.id} {_word(state)}: {state.message}"
    return None


def of_flow(run: FlowRun, state: State) -> tuple[int, str] | None:
    """Level and text; a failure without its traceback, since the exception goes on to the caller."""
    what = "flow run" if run.parent is None else "subflow run"
    if state.type == RUNNING:
        again = f", attempt {run.attempt}" if run.attempt > 1 else ""
        return INFO, f"{what} {run.name} started{again}"
    if state.type == COMPLETED:
        return INFO, f"{what} {run.name} completed in {_since(run.started)}"
    if state.type == SCHEDULED:
        return WARNING, f"{what} {run.name} will be retried: {state.message}"
    if state.is_final():
        return ERROR, f"{what} {run.name} {_word(state)} after {_since(run.started)}: {state.message}"
    return None


def _word(state: State) -> str:
    words = {"TimedOut": "timed out", "UpstreamFailed": "did not start", "Terminated": "was terminated"}
    return words.get(state.name, "was cancelled" if state.is_cancelled() else "failed")


def _since(started: float) -> str:
    seconds = max(0.0, time.time() - started)
    return f"{seconds:.3f} s" if seconds < 10 else f"{seconds:.0f} s"
