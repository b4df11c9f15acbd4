"""Headgate for flow authors: `from orchestrator import flow, task, get_run_logger`.

Importing this package loads nothing; each name is fetched from the SDK when it is first asked for. So the command
line never pays for the SDK, and a flow's process greets its agent before it loads it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.sdk.context import RunContext, get_run_context
    from orchestrator.sdk.flows import Flow, flow
    from orchestrator.sdk.futures import TaskFuture
    from orchestrator.sdk.logger import get_run_logger
    from orchestrator.sdk.states import State
    from orchestrator.sdk.tasks import Task, task
    from orchestrator.sdk.upstream import allow_failure, unmapped

__all__ = [
    "Flow",
    "RunContext",
    "State",
    "Task",
    "TaskFuture",
    "allow_failure",
    "flow",
    "get_run_context",
    "get_run_logger",
    "task",
    "unmapped",
]

_HOMES = {
    "context": ("RunContext", "get_run_context"),
    "flows": ("Flow", "flow"),
    "futures": ("TaskFuture",),
    "logger": ("get_run_logger",),
    "states": ("State",),
    "tasks": ("Task", "task"),
    "upstream": ("allow_failure", "unmapped"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            home = __import__(f"orchestrator.sdk.{module}", fromlist=names)
            globals().update({each: getattr(home, each) for each in names})
            return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> "list[str]":  # quoted: Python 3.8 gets as far as the sentence that it is too old
    return sorted(set(globals()) | set(__all__))
