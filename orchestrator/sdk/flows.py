"""The flow: a function whose calls are runs, in which tasks run on their own."""

from orchestrator.sdk import flow_runs, retries
from orchestrator.sdk.named import Named
from orchestrator.sdk.parameters import Bound, Signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

_INSTEAD = {
    "cache_result_in_memory": "a flow's result is what it returns",
    "flow_run_name": "runs are named by the system; put what you want to see into tags or parameters",
    "log_prints": "print() is always captured: leave it out",
    "on_completion": "hooks come with a later version: use try/finally in the flow",
    "on_failure": "hooks come with a later version: use try/except in the flow",
    "persist_result": "a flow's result is recorded by itself when it is JSON",
    "result_storage": "a flow's result is recorded by itself when it is JSON; write large things to a file",
    "task_runner": "direct calls of tasks already run concurrently; max_workers sets how many at once",
    "version": "the code version of a deployment is recorded by itself: leave it out",
}
_TASK_CALLS = ("future", "value")


class Flow(Named):
    """A function under @flow. Its options are attributes; `.fn` is the plain function."""

    kind = "flow"
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
        task_calls: str = "future",
        max_workers: int | None = None,
        validate_parameters: bool = True,
        **unknown: object,
    ) -> None:
        super().__init__(fn, name, description, tags, unknown)
        if self.is_generator:
            raise TypeError(f"{self.label}: has a `yield`, so calling it would run nothing: return a list instead")
        if task_calls not in _TASK_CALLS:
            raise ValueError(f"{self.label}: expected task_calls to be one of {_TASK_CALLS}, got {task_calls!r}")
        if max_workers is not None and (type(max_workers) is not int or not 1 <= max_workers <= 1000):
            raise ValueError(f"{self.label}: expected max_workers to be from 1 to 1000, got {max_workers!r}")
        self.task_calls = task_calls
        self.max_workers = max_workers
        self.validate_parameters = validate_parameters
        self.signature = Signature(fn)
        self._set_attempts(retries, retry_delay_seconds, timeout_seconds)

    def _set_attempts(self, count: int, delay: "Any", timeout: "Any") -> None:
        self.retries = retries.checked_retries(count, self.label)
        self.retry_delay_seconds = retries.checked_delay(delay, self.label)
        self.timeout_seconds = retries.checked_timeout(timeout, self.label)

    def __call__(self, *args: "Any", return_state: bool = False, **kwargs: "Any") -> "Any":
        """Run the flow here and now; the answer is what it returns (with return_state=True its final State).

        Raises what the flow raises, ParameterError when the parameters do not fit. An `async def` flow gives a
        coroutine to await, except inside a plain flow, which gets the value.
        """
        return flow_runs.called(self, self._with_owner(args), kwargs, return_state)

    def bind(self, args: "Sequence[Any]", kwargs: "Mapping[str, Any]") -> Bound:
        """The parameters checked and converted by the type hints; raises ParameterError with all problems."""
        return self.signature.bind(args, kwargs, self.validate_parameters)

    def with_options(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: "Iterable[str] | None" = None,
        retries: int | None = None,
        retry_delay_seconds: "Any" = None,
        timeout_seconds: "Any" = None,
        task_calls: str | None = None,
        max_workers: int | None = None,
        validate_parameters: bool | None = None,
        **unknown: object,
    ) -> "Flow":
        """The same function as a flow with some options changed."""
        other = Flow(
            self.fn,
            name=name or self.name,
            description=description or self.description,
            tags=self.tags if tags is None else tags,
            retries=self.retries if retries is None else retries,
            retry_delay_seconds=self.retry_delay_seconds if retry_delay_seconds is None else retry_delay_seconds,
            timeout_seconds=self.timeout_seconds if timeout_seconds is None else timeout_seconds,
            task_calls=task_calls or self.task_calls,
            max_workers=max_workers or self.max_workers,
            validate_parameters=self.validate_parameters if validate_parameters is None else validate_parameters,
            **unknown,
        )
        other.owner = self.owner
        return other


def flow(fn: "Callable[..., Any] | None" = None, **options: "Any") -> "Any":
    """Make a function a flow: `@flow` or `@flow(name="train", retries=2)`.

    Options: name, description, tags, retries, retry_delay_seconds (fixed), timeout_seconds, task_calls ("future" or
    "value": what a direct call of a task gives), max_workers (tasks at once, 32), validate_parameters.
    """
    if fn is None:
        return lambda function: Flow(function, **options)
    return Flow(fn, **options)
