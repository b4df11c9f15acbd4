"""A run without an agent (`python flow.py`, a test, a notebook): what happens becomes readable lines on stderr."""

import sys
import time

from orchestrator.sdk import context, narrative
from orchestrator.sdk.context import FlowRun, TaskRun
from orchestrator.sdk.logger import LEVEL_NAMES
from orchestrator.sdk.states import State


class Terminal:
    """One line per record: time, level, run, message; the following lines of a message are indented under it."""

    def log(self, level: int, logger: str, message: str) -> None:
        """Write a record of the current run."""
        task = context.task_run_var.get()
        run = task.flow_run if task is not None else context.flow_run_var.get()
        name = run.name if run is not None else "-"
        write(level, f"{name}/{task.name}" if task is not None else name, message)

    def flow_moved(self, run: FlowRun, state: State) -> None:
        """Tell the start and the end of a flow run."""
        told = narrative.of_flow(run, state)
        if told is not None:
            write(told[0], run.name, told[1])

    def task_moved(self, run: TaskRun, state: State) -> None:
        """Tell the end of a task run, and each retry."""
        told = narrative.of_task(run, state)
        if told is not None:
            write(told[0], run.flow_run.name, told[1])


def write(level: int, name: str, message: str) -> None:
    """One readable line on stderr; a stderr that is closed or gone never disturbs the run."""
    now = time.time()
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    word = LEVEL_NAMES.get(level, str(level))
    text = message.replace("\n", "\n    ")
    try:
        sys.stderr.write(f"{clock}.{int(now % 1 * 1000):03d} {word:<8} {name}  {text}\n")
    except (OSError, ValueError, AttributeError):
        return
