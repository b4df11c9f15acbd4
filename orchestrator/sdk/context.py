"""Which run the current code belongs to, what that run still has to wait for, and who is told about it."""

import _thread
import os
import time
from _contextvars import ContextVar

from orchestrator.sdk.errors import OutsideFlow
from orchestrator.sdk.states import FAILED, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from typing import Protocol

    from orchestrator.sdk.flows import Flow
    from orchestrator.sdk.futures import TaskFuture
    from orchestrator.sdk.tasks import Task

    class Reporter(Protocol):
        """Who is told what happens in a run: the terminal, or the agent."""

        def log(self, level: int, logger: str, message: str) -> None: ...

        def flow_moved(self, run: "FlowRun", state: State) -> None: ...

        def task_moved(self, run: "TaskRun", state: State) -> None: ...


class FlowRun:
    """One execution of a flow in this process. The root run has no parent; subflows and tasks lead to it.

    Holds only the task runs that are not over and those that failed, never results: a loop over 100,000 tasks
    keeps in memory what its author keeps.
    """

    def __init__(self, flow: "Flow", parent: "FlowRun | None" = None) -> None:
        self.flow = flow
        self.flow_name = flow.name
        self.parent = parent
        self.root: FlowRun = parent.root if parent else self
        self.id = f"{flow.name}-{os.urandom(4).hex()}"
        self.name = f"{flow.name}-{os.urandom(2).hex()}"
        self.attempt = 1
        self.deployment: str | None = None
        self.tags: tuple[str, ...] = ()
        self.parameters: dict[str, object] = {}
        self.started = time.time()
        self.parent_task: TaskRun | None = task_run_var.get()
        self.closing = False
        self._open = _thread.allocate_lock()
        self._open.acquire()
        self.loop: AbstractEventLoop | None = None
        self._guard = _thread.allocate_lock()
        self._unfinished: dict[int, TaskFuture] = {}
        self._failures: list[TaskFuture] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The next number under this name, counted over the whole tree of runs, so that ids made of it are unique."""
        root = self.root
        with root._guard:
            number = root._numbers.get(name, 0)
            root._numbers[name] = number + 1
        return number

    def opened(self, future: "TaskFuture") -> None:
        """A task was submitted: the run ends after it."""
        with self._guard:
            self._unfinished[id(future)] = future

    def closed(self, future: "TaskFuture", state: State) -> None:
        """A task is over; a failure is kept until the end, to see whether anyone has read it."""
        with self._guard:
            self._unfinished.pop(id(future), None)
            if state.type == FAILED:
                self._failures.append(future)

    def close(self) -> None:
        """Nothing new starts in this run: what has not begun is cancelled, who sleeps before a retry wakes up."""
        if not self.closing:
            self.closing = True
            self._open.release()

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until the run is closed."""
        if self._open.acquire(timeout=seconds):
            self._open.release()

    def unfinished(self) -> "list[TaskFuture]":
        with self._guard:
            return list(self._unfinished.values())

    def unread_failures(self) -> "list[TaskFuture]":
        """Failed tasks whose result nobody has asked for."""
        return [future for future in self._failures if not future.was_read]


class TaskRun:
    """One execution of a task in a flow run."""

    __slots__ = ("attempt", "flow_run", "id", "parent", "started", "task")

    def __init__(self, task: "Task", flow_run: FlowRun, parent: "TaskRun | None") -> None:
        self.task = task
        self.flow_run = flow_run
        self.parent = parent
        self.id = f"{task.name}-{flow_run.number(task.name)}"
        self.attempt = 0
        self.started = 0.0

    @property
    def name(self) -> str:
        """The name people see, which is the id: the task's name and a number."""
        return self.id


class RunContext:
    """What get_run_context() answers: the flow run, and the task run when the code runs inside a task."""

    __slots__ = ("flow_run", "task_run")

    def __init__(self, flow_run: FlowRun, task_run: TaskRun | None) -> None:
        self.flow_run = flow_run
        self.task_run = task_run


flow_run_var: ContextVar[FlowRun | None] = ContextVar("headgate_flow_run", default=None)
task_run_var: ContextVar[TaskRun | None] = ContextVar("headgate_task_run", default=None)


def get_run_context() -> RunContext:
    """The run that this code belongs to; raises OutsideFlow where none runs."""
    run = flow_run_var.get() or root_run
    if run is None:
        raise OutsideFlow("get_run_context() needs a running flow: call it inside a @flow or @task function")
    return RunContext(run, task_run_var.get())


# A thread that the user started himself has an empty context; what it logs still belongs to the process's root run.
root_run: FlowRun | None = None
# Whether this is the process of one run: there deployments and schedules only keep what they are given, unchecked.
in_flow_process = False
_reporter: "Reporter | None" = None


def reporter() -> "Reporter":
    """Who is told: the agent in a flow's process (which has set it), else the terminal."""
    global _reporter
    if _reporter is None:
        from orchestrator.sdk.terminal import Terminal

        _reporter = Terminal()
    return _reporter


def report_to(new: "Reporter | None") -> None:
    """Send everything that happens from now on to this reporter; None means the terminal."""
    global _reporter
    _reporter = new
