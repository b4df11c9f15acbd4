"""The task: a plain function that, called inside a flow, runs on its own and answers with a future."""

from orchestrator.sdk import context, retries, task_runs
from orchestrator.sdk.errors import OutsideFlow
from orchestrator.sdk.futures import TaskFuture
from orchestrator.sdk.named import Named
from orchestrator.sdk.upstream import unmapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_INSTEAD = {
    "cache_key_fn": "results of tasks are not cached in this version",
    "cache_expiration": "results of tasks are not cached in this version",
    "cache_result_in_memory": "results live as long as their futures",
    "log_prints": "print() is always captured: leave it out",
    "persist_result": "results of tasks live in the flow's process; write what must stay to a file",
    "result_storage": "results of tasks live in the flow's process; write what must stay to a file",
    "task_run_name": "task runs are named after the task and a number",
    "version": "the code version of a deployment is recorded by itself: leave it out",
}


class Task(Named):
    """A function under @task. Its options are attributes; `.fn` is the plain function."""

    kind = "task"
    instead = _INSTEAD

    def __init__(
        self,
        fn: "Callable[..., Any]",
        *,
        name: str | None = None,
        description: str | None = None,
        tags: "Iterable[str]" = (),
        retries: int = 0,
        retry_delay_seconds: "Any" = 0,
        timeout_seconds: "Any" = None,
        **unknown: object,
    ) -> None:
        super().__init__(fn, name, description, tags, unknown)
        self._set_attempts(retries, retry_delay_seconds, timeout_seconds)

    def _set_attempts(self, count: int, delay: "Any", timeout: "Any") -> None:
        self.retries = retries.checked_retries(count, self.label)
        self.retry_delay_seconds = retries.checked_delay(delay, self.label)
        self.timeout_seconds = retries.checked_timeout(timeout, self.label)

    def __call__(self, *args: "Any", wait_for: object = None, return_state: bool = False, **kwargs: "Any") -> "Any":
        """Inside a flow: submit and return a future at once (or the value, in a flow with task_calls="value").

        Outside a flow: a plain call of the function.
        """
        run = context.flow_run_var.get()
        if run is None:
            return self.fn(*self._with_owner(args), **kwargs)
        future = self.submit(*args, wait_for=wait_for, **kwargs)
        if return_state:
            future.wait()
            return future.state
        # A coroutine's value can only be awaited inside its loop, and a future is something to await.
        if run.flow.task_calls == "value" and future.loop is None:
            return future.result()
        return future

    def submit(self, *args: "Any", wait_for: object = None, **kwargs: "Any") -> TaskFuture:
        """Start a run of the task and return its future, whatever the flow's task_calls says.

        Futures in arguments, lists and dicts are replaced by their values before the task starts; `wait_for` names
        futures that must have completed as well. Raises OutsideFlow when no flow is running.
        """
        run = context.flow_run_var.get()
        if run is None:
            raise OutsideFlow(
                f"task {self.name}: submit() and map() need a running flow: call them inside a @flow function, "
                f"or call {self.name}(...) for a plain call"
            )
        return task_runs.submit(self, run, self._with_owner(args), kwargs, wait_for)

    def map(self, *args: "Any", wait_for: object = None, **kwargs: "Any") -> "FutureList":
        """One run for each element of the iterable arguments, taken together; other arguments go to every run.

        Text, bytes and dicts count as single values, and so does anything under `unmapped(...)`.
        """
        fixed: dict[object, object] = {}
        moving: dict[object, list[object]] = {}
        for key, value in (*enumerate(args), *kwargs.items()):
            value = value.result() if isinstance(value, TaskFuture) else value
            if type(value) is unmapped:
                fixed[key] = value.value
            elif hasattr(type(value), "__iter__") and not isinstance(value, (str, bytes, bytearray, dict)):
                moving[key] = list(value)
            else:
                fixed[key] = value
        lengths = {key: len(values) for key, values in moving.items()}
        if len(set(lengths.values())) != 1:
            found = ", ".join(f"{key}: {length}" for key, length in lengths.items()) or "no iterable argument"
            raise ValueError(f"task {self.name}: map() expected iterables of one length, got {found}")
        futures = FutureList()
        for index in range(next(iter(lengths.values()))):
            each = fixed | {key: values[index] for key, values in moving.items()}
            places = [each[place] for place in range(len(args))]
            names = {key: value for key, value in each.items() if isinstance(key, str)}
            futures.append(self.submit(*places, wait_for=wait_for, **names))
        return futures

    def with_options(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: "Iterable[str] | None" = None,
        retries: int | None = None,
        retry_delay_seconds: "Any" = None,
        timeout_seconds: "Any" = None,
        **unknown: object,
    ) -> "Task":
        """The same function as a task with some options changed."""
        other = Task(
            self.fn,
            name=name or self.name,
            description=description or self.description,
            tags=self.tags if tags is None else tags,
            retries=self.retries if retries is None else retries,
            retry_delay_seconds=self.retry_delay_seconds if retry_delay_seconds is None else retry_delay_seconds,
            timeout_seconds=self.timeout_seconds if timeout_seconds is None else timeout_seconds,
            **unknown,
        )
        other.owner = self.owner
        return other


class FutureList(list[TaskFuture]):
    """The futures of .map(), in order."""

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> "list[Any]":
        """Every value, in order; raises the first failure, or returns exceptions in place if asked not to raise."""
        return [future.result(timeout, raise_on_failure) for future in self]

    def wait(self, timeout: float | None = None) -> None:
        """Wait until each is over."""
        for future in self:
            future.wait(timeout)


def task(fn: "Callable[..., Any] | None" = None, **options: "Any") -> "Any":
    """Make a function a task: `@task` or `@task(retries=3, retry_delay_seconds=10)`.

    Options: name, description, tags, retries, retry_delay_seconds (fixed), timeout_seconds.
    """
    if fn is None:
        return lambda function: Task(function, **options)
    return Task(fn, **options)
