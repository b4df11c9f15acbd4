"""Running a flow: one attempt and what it amounts to, and the attempts of a flow that runs without an agent."""

import time

from orchestrator.sdk import context, retries, workers
from orchestrator.sdk.context import FlowRun
from orchestrator.sdk.errors import FlowTimedOut, ParameterError, TaskFailed
from orchestrator.sdk.interrupts import Alarm
from orchestrator.sdk.states import RUNNING, SCHEDULED, State, completed, describe, failed
from orchestrator.sdk.upstream import resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from orchestrator.sdk.flows import Flow
    from orchestrator.sdk.parameters import Bound


def called(flow: "Flow", args: "Sequence[Any]", kwargs: "Mapping[str, Any]", return_state: bool) -> "Any":
    """A call of a flow in plain Python or inside another flow."""
    if flow.is_async:
        from orchestrator.sdk import coroutines

        return coroutines.called(flow, args, kwargs, return_state)
    state = here(flow, args, kwargs)
    return state if return_state else state.result()


def here(flow: "Flow", args: "Sequence[Any]", kwargs: "Mapping[str, Any]") -> State:
    """Run a flow in this process with all its attempts."""
    run = FlowRun(flow, context.flow_run_var.get())
    bound = prepared(run, args, kwargs)
    if isinstance(bound, State):
        return bound
    while True:
        state = attempt(run, bound, flow.timeout_seconds)
        pause = pause_before_retry(run, state)
        if pause is None:
            return state
        with workers.waiting():
            time.sleep(pause)
        run = again(run)


def prepared(run: FlowRun, args: "Sequence[Any]", kwargs: "Mapping[str, Any]") -> "Bound | State":
    """The parameters of a run, or its failed state when they do not fit."""
    if run.parent is None:
        workers.set_limit(run.flow.max_workers)
    try:
        bound = run.flow.bind(args, kwargs)
    except ParameterError as error:
        state = failed(error)
        context.reporter().flow_moved(run, state)
        return state
    run.parameters = bound.as_map()
    return bound


def attempt(run: FlowRun, bound: "Bound", timeout: float | None) -> State:
    """One attempt, from Running to its final state; lets KeyboardInterrupt and SystemExit through."""
    flow_token = context.flow_run_var.set(run)
    task_token = context.task_run_var.set(None)
    context.reporter().flow_moved(run, State(RUNNING))
    try:
        with Alarm(timeout, f"flow run {run.name}"):
            state = conclude(run, bound.call(run.flow.fn))
    except FlowTimedOut as error:
        state = failed(error)  # its tasks may be what took so long: they are not waited for
        run.close()
    except Exception as error:
        state = failed(error)
        run.close()
        join(run)
    except BaseException as error:
        run.close()
        context.reporter().flow_moved(run, failed(error))
        raise
    finally:
        context.flow_run_var.reset(flow_token)
        context.task_run_var.reset(task_token)
    run.close()
    context.reporter().flow_moved(run, state)
    return state


def again(run: FlowRun) -> FlowRun:
    """The next attempt of a run: same name, new tasks."""
    other = FlowRun(run.flow, run.parent)
    other.id, other.name, other.attempt = run.id, run.name, run.attempt + 1
    other.parameters = run.parameters
    other.parent_task = run.parent_task
    return other


def pause_before_retry(run: FlowRun, state: State) -> float | None:
    """Seconds until the next attempt of a flow without an agent, or None when this was the last."""
    if not state.is_failed() or run.attempt > run.flow.retries:
        return None
    pause = retries.delay_before_retry(run.flow.retry_delay_seconds)
    message = f"attempt {run.attempt + 1} of {run.flow.retries + 1} in {pause:g} s"
    context.reporter().flow_moved(run, State(SCHEDULED, "AwaitingRetry", message))
    return pause


def conclude(run: FlowRun, value: object) -> State:
    """What a flow's return value and its tasks amount to; raises what makes the flow fail."""
    join(run)
    return verdict(run, value)


def join(run: FlowRun) -> None:
    """Wait until every task of the run is over."""
    while unfinished := run.unfinished():
        for future in unfinished:
            future.wait()


def verdict(run: FlowRun, value: object) -> State:
    """The state of a flow that returned, once its tasks are over."""
    if isinstance(value, State):
        return value
    value = resolved(value)
    unread = run.unread_failures()
    if not unread:
        return completed(value)
    first = unread[0].peek()
    if value is None:
        more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
        message = f"task run {unread[0].id}{more} failed and nobody read its result: {first.message}"
        raise TaskFailed(message) from first.error
    for future in unread:
        message = f"task run {future.id} failed and nobody read its result; the flow returned a value, so it counts"
        context.reporter().log(30, "flow", f"{message} as completed: {describe_end(future.peek())}")
    return completed(value)


def describe_end(state: State) -> str:
    """Why a run ended as it did, as one short line."""
    return describe(state.error) if state.error is not None else state.message
