"""Flows and tasks that are `async def`. This module, and asyncio with it, is loaded only when there is one."""

import _thread
import time

from orchestrator.sdk import context, retries, stdlib
from orchestrator.sdk.context import FlowRun
from orchestrator.sdk.errors import FlowTimedOut, TaskTimedOut
from orchestrator.sdk.flow_runs import again, pause_before_retry, prepared, verdict
from orchestrator.sdk.futures import TaskFuture
from orchestrator.sdk.states import RUNNING, State, completed, failed
from orchestrator.sdk.upstream import futures_in, resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence
    from typing import Any

    from orchestrator.sdk.flows import Flow
    from orchestrator.sdk.parameters import Bound
    from orchestrator.sdk.task_runs import Job
else:
    asyncio = stdlib.load("asyncio")

_background: "asyncio.AbstractEventLoop | None" = None
_tasks: "set[asyncio.Task[None]]" = set()  # asyncio itself holds its tasks only weakly
_guard = _thread.allocate_lock()


def called(flow: "Flow", args: "Sequence[Any]", kwargs: "Mapping[str, Any]", return_state: bool) -> "Any":
    """A call of an async flow: a coroutine to await; inside a plain flow the value itself."""
    parent = context.flow_run_var.get()
    coroutine = _called(flow, args, kwargs, return_state)
    if parent is not None and not parent.flow.is_async and asyncio._get_running_loop() is None:
        return asyncio.run(coroutine)
    return coroutine


async def _called(flow: "Flow", args: "Sequence[Any]", kwargs: "Mapping[str, Any]", return_state: bool) -> "Any":
    state = await here(flow, args, kwargs)
    return state if return_state else state.result()


async def here(flow: "Flow", args: "Sequence[Any]", kwargs: "Mapping[str, Any]") -> State:
    """Run an async flow in the current loop with all its attempts."""
    run = FlowRun(flow, context.flow_run_var.get())
    bound = prepared(run, args, kwargs)
    if isinstance(bound, State):
        return bound
    while True:
        state = await attempt(run, bound, flow.timeout_seconds)
        pause = pause_before_retry(run, state)
        if pause is None:
            return state
        await asyncio.sleep(pause)
        run = again(run)


async def attempt(run: FlowRun, bound: "Bound", timeout: float | None) -> State:
    """One attempt of an async flow; its async tasks run in the same loop and share its sessions and locks."""
    run.loop = asyncio.get_running_loop()
    flow_token = context.flow_run_var.set(run)
    task_token = context.task_run_var.set(None)
    context.reporter().flow_moved(run, State(RUNNING))
    clock = asyncio.timeout(timeout)
    try:
        async with clock:
            value = await bound.call(run.flow.fn)
            await _join(run)
            await _ends(value)
            state = verdict(run, value)
    except Exception as error:
        run.close()
        if clock.expired():
            state = failed(FlowTimedOut(f"flow run {run.name} did not end within {timeout:g} s"))
        else:
            state = failed(error)
            await _join(run)
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


async def _join(run: FlowRun) -> None:
    while unfinished := run.unfinished():
        for future in unfinished:
            await end_of(future)


async def _ends(value: object) -> None:
    for future in futures_in(value):
        await end_of(future)


async def end_of(future: TaskFuture) -> None:
    """Wait, without blocking the loop, until the future is over, whichever thread ends it."""
    if future.done():
        return
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def over(_: TaskFuture) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(_release, waiter)

    future.when_done(over)
    await waiter


def _release(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


def run(flow_run: FlowRun, bound: "Bound", timeout: float | None) -> State:
    """One attempt of an async flow, in a loop of its own."""
    state: State = asyncio.run(attempt(flow_run, bound, timeout))
    return state


def loop_for(run: FlowRun) -> "asyncio.AbstractEventLoop":
    """Where async tasks of a run live: the loop of its async flow, else one loop in a thread of its own."""
    global _background
    if run.loop is not None and not run.loop.is_closed():
        return run.loop
    with _guard:
        if _background is None:
            _background = asyncio.new_event_loop()
            _thread.start_new_thread(_background.run_forever, ())
        return _background


def start(job: "Job") -> None:
    """Begin an async task's run in its loop, from whichever thread."""
    loop: Any = job.future.loop
    if asyncio._get_running_loop() is loop:
        _create(loop, job)
    else:
        loop.call_soon_threadsafe(_create, loop, job)


def _create(loop: "Any", job: "Job") -> None:
    task = loop.create_task(_work(job), context=job.context)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _work(job: "Job") -> None:
    context.task_run_var.set(job.run)
    try:
        if job.ready():
            await _attempts(job)
    except BaseException as error:
        job.finish(failed(error))
        # A task that exits has failed, no more; but a cancelled loop and an interrupt must take their course.
        if not isinstance(error, SystemExit):
            raise


async def _attempts(job: "Job") -> None:
    while job.started():
        try:
            value = await _call(job)
        except Exception as error:
            if not job.retry(error):
                return
            await _pause(job)
        else:
            job.finish(completed(value))
            return


async def _call(job: "Job") -> object:
    seconds = job.task.timeout_seconds
    clock = asyncio.timeout(seconds)
    try:
        async with clock:
            value = await job.task.fn(*job.args, **job.kwargs)
    except TimeoutError:
        if clock.expired():
            raise TaskTimedOut(f"task run {job.run.id} did not end within {seconds:g} s") from None
        raise
    await _ends(value)
    return resolved(value)


async def _pause(job: "Job") -> None:
    until = time.monotonic() + retries.delay_before_retry(job.task.retry_delay_seconds)
    while (left := until - time.monotonic()) > 0 and not job.run.flow_run.closing:
        await asyncio.sleep(min(left, 0.5))
