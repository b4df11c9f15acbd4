"""Follows one run to its end: its log on stdout, its moves on stderr, and the exit code that says how it ended."""

from __future__ import annotations

import heapq
import sys
import time
from collections.abc import Iterable
from datetime import datetime

from orchestrator.cli.failures import CommandError
from orchestrator.cli.moments import rfc3339
from orchestrator.cli.output import Output
from orchestrator.cli.run_log import lines_there, print_line, tell_day, time_of_day
from orchestrator.client import Client, FlowRun
from orchestrator.client.values import LogLine, StateMove

TERMINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
LOOK_SECONDS = 0.2
NOT_COMPLETED = 6
TIMED_OUT = 7


def follow_to_the_end(output: Output, opened: Client, run: FlowRun, timeout: float | None) -> None:
    """Prints states and log lines as they come; CommandError with exit code 6 or 7 unless the run completes in time."""
    deadline = None if timeout is None else time.monotonic() + timeout
    shown, position = 0, None
    while True:
        seen = opened.get_flow_run(run.id)
        ended = seen.state in TERMINAL
        # The last move is told last: lines may still arrive after it, and following knows when the log is whole.
        moves = seen.state_history[shown : -1 if ended else None]
        shown += len(moves)
        lines = list(opened.follow_logs(run.id, after=position) if ended else lines_there(opened, run.id, position))
        position = lines[-1].position if lines else position
        # Lines keep their order, whatever the clocks of those who wrote them said.
        events: Iterable[StateMove | LogLine] = heapq.merge(moves, lines, key=time_of)
        for event in events:
            tell(output, event)
        if ended:
            break
        if deadline is not None and time.monotonic() >= deadline:
            raise timed_out(seen)
        time.sleep(LOOK_SECONDS)
    tell(output, seen.state_history[-1])
    if seen.state != "COMPLETED":
        raise not_completed(seen)


def tell_moves(output: Output, opened: Client, run: FlowRun, timeout: float | None) -> None:
    """Prints the run at each of its moves (`jsonl`) or as it is in the end (`json`); raises as `follow_to_the_end`."""
    seen = run
    for seen in opened.watch(run.id, timeout=timeout):
        if output.form == "jsonl":
            output.json(seen)
            output.flush()
    if output.form == "json":
        output.json(seen)
    if seen.state not in TERMINAL:
        raise timed_out(opened.get_flow_run(run.id))  # which raises NotFound when somebody has deleted it
    if seen.state != "COMPLETED":
        raise not_completed(seen)


def time_of(event: StateMove | LogLine) -> datetime:
    """When a run moved, or a line was written."""
    return event.timestamp


def tell(output: Output, event: StateMove | LogLine) -> None:
    """Says a move on stderr, or prints a line on stdout; programs asked for the run alone, and get no lines."""
    if isinstance(event, StateMove):
        why = f"  {output.cell(event.reason)}" if event.reason else ""
        tell_day(output, event.timestamp)
        at = time_of_day(event.timestamp) if sys.stderr.isatty() else rfc3339(event.timestamp)
        output.note(f"{at} {event.state}{why}")
    elif output.form == "text":
        print_line(output, event)
        output.flush()


def timed_out(run: FlowRun) -> CommandError:
    """The run had not ended in time."""
    hint = f"it goes on; `headgate flow-run explain {run.id}` says what it waits for"
    return CommandError(
        f"flow run {run.name} is still {run.state_name or run.state}", exit_code=TIMED_OUT, code="timed-out", hint=hint
    )


def not_completed(run: FlowRun) -> CommandError:
    """The run ended, but not as its author meant it to."""
    why = f": {run.why}" if run.why else ""
    hint = f"see `headgate flow-run inspect {run.id}`"
    return CommandError(
        f"flow run {run.name} ended {run.state_name or run.state}{why}",
        exit_code=NOT_COMPLETED,
        code="not-completed",
        hint=hint,
    )
