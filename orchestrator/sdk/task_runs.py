"""Running a task: waiting for its upstream futures, then attempts on a worker until one succeeds or none is left."""

import time
from _contextvars import copy_context

from orchestrator.sdk import context, retries, workers
from orchestrator.sdk.context import FlowRun, TaskRun
from orchestrator.sdk.errors import TaskCancelled, UpstreamFailed
from orchestrator.sdk.futures import TaskFuture
from orchestrator.sdk.states import PENDING, RUNNING, SCHEDULED, State, completed, describe, failed
from orchestrator.sdk.upstream import failure_tolerated, futures_in, resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orchestrator.sdk.tasks import Task


def submit(
    task: "Task", run: FlowRun, args: "tuple[Any, ...]", kwargs: "dict[str, Any]", wait_for: object
) -> TaskFuture:
    """Start a run of the task as soon as its upstream futures are over; answers at once."""
    task_run = TaskRun(task, run, context.task_run_var.get())
    future = TaskFuture(task.name, task_run.id)
    if task.is_async:
        from orchestrator.sdk import coroutines

        future.loop = coroutines.loop_for(run)
    run.opened(future)
    Job(task_run, future, args, kwargs).begin(wait_for)
    return future


class Job:
    """One task run on its way: what it waits for, its arguments, and its attempts."""

    def __init__(self, run: TaskRun, future: TaskFuture, args: "tuple[Any, ...]", kwargs: "dict[str, Any]") -> None:
        self.run = run
        self.task = run.task
        self.future = future
        self.args = args
        self.kwargs = kwargs
        self.upstream: list[TaskFuture] = []
        self.tolerated: set[int] = set()
        self.context = copy_context()

    def begin(self, wait_for: object) -> None:
        """Start now, or when the last upstream future is over: no worker is held by waiting for arguments."""
        arguments = [*self.args, *self.kwargs.values()]
        self.upstream = futures_in(arguments + ([wait_for] if wait_for is not None else []))
        if not self.upstream:
            self.dispatch()
            return
        self.tolerated = set().union(*(failure_tolerated(argument) for argument in [*arguments, wait_for]))
        context.reporter().task_moved(self.run, State(PENDING))
        # Each callback takes one item away; list.pop is atomic, so exactly one of them finds the last.
        tickets = [None] * (len(self.upstream) - 1)

        def over(_: TaskFuture) -> None:
            try:
                tickets.pop()
            except IndexError:
                self.dispatch()

        for future in self.upstream:
            future.when_done(over)

    def dispatch(self) -> None:
        """Hand the run to a worker, or to the event loop for a coroutine."""
        try:
            if self.task.is_async:
                from orchestrator.sdk import coroutines

                coroutines.start(self)
            else:
                workers.workers().run(self.work)
        except Exception as error:  # no thread to be had, or a closed loop: those who wait must hear of it
            self.finish(failed(error))

    def work(self) -> None:
        """The whole run on a worker thread; never raises."""
        try:
            self.context.run(self._work)
        except BaseException as error:  # a fault of ours must fail the task, not hang those who wait for it
            self.finish(failed(error))

    def _work(self) -> None:
        context.task_run_var.set(self.run)
        if not self.ready():
            return
        while self.started():
            try:
                value = self._call()
            except BaseException as error:  # SystemExit as well: a task that exits has failed
                if not self.retry(error):
                    return
                with workers.waiting():
                    self.run.flow_run.sleep(retries.delay_before_retry(self.task.retry_delay_seconds))
            else:
                self.finish(completed(value))
                return

    def _call(self) -> object:
        def call() -> object:
            return resolved(self.task.fn(*self.args, **self.kwargs))

        if self.task.timeout_seconds is None:
            return call()
        return retries.within(self.task.timeout_seconds, call, f"task run {self.run.id}")

    def ready(self) -> bool:
        """Put the upstream values in place; False when the run ended here because it can not start."""
        for future in self.upstream:
            state = future.peek()
            if not state.is_completed() and id(future) not in self.tolerated:
                future.was_read = True  # its failure goes on in ours
                error = UpstreamFailed(f"upstream task run {future.id} {_ended(state)}: {state.message}")
                error.__cause__ = state.error
                self.finish(failed(error))
                return False
        if self.upstream:
            self.args = tuple(resolved(argument) for argument in self.args)
            self.kwargs = {name: resolved(value) for name, value in self.kwargs.items()}
        self.upstream = []
        return True

    def started(self) -> bool:
        """Count and report a new attempt; False when the flow ended meanwhile, and the run with it."""
        if self.run.flow_run.closing:
            error = TaskCancelled(f"task run {self.run.id} was not tried again: its flow has ended")
            self.finish(failed(error))
            return False
        self.run.attempt += 1
        self.run.started = time.time()
        self.move(State(RUNNING))
        return True

    def retry(self, error: BaseException) -> bool:
        """Whether a failed attempt is followed by another; if not, the run has ended here."""
        left = self.task.retries + 1 - self.run.attempt
        if left <= 0 or self.run.flow_run.closing:
            self.finish(failed(error))
            return False
        delay = retries.delay_before_retry(self.task.retry_delay_seconds)
        message = f"{describe(error)}; attempt {self.run.attempt + 1} of {self.task.retries + 1} in {delay:g} s"
        self.move(State(SCHEDULED, "AwaitingRetry", message, error=error))
        return True

    def move(self, state: State) -> None:
        context.reporter().task_moved(self.run, state)
        self.future.moved(state)

    def finish(self, state: State) -> None:
        """The run is over: report it, then let go of everything it held."""
        context.reporter().task_moved(self.run, state)
        self.run.flow_run.closed(self.future, state)
        self.future.moved(state)
        self.args, self.kwargs = (), {}


def _ended(state: State) -> str:
    return "was cancelled" if state.is_cancelled() else "failed"
