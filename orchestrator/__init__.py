"""Headgate for flow authors: `from orchestrator import flow, task, get_run_logger`.

Importing this package costs a flow's process next to nothing, and must go on doing so: no module of the standard
library is loaded that a bare interpreter has not loaded already.
"""

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
