"""Follows one run to its end: its log on stdout, its moves on stderr, and the exit code that says how it ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from orchestrator.cli.failures import CommandError
from orchestrator.cli.output import Output
from orchestrator.cli.run_log import print_line, time_of_day

if TYPE_CHECKING:
    from orchestrator.client import Client, FlowRun, FlowRunDetail

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
        shown = print_moves(output, seen, shown)
        position = print_new_lines(output, opened, run.id, position)
        if seen.state in TERMINAL:
            break
        if deadline is not None and time.monotonic() >= deadline:
            raise timed_out(seen)
        time.sleep(LOOK_SECONDS)
    # The last lines may arrive after the last move: following knows when the log is whole.
    for line in opened.follow_logs(run.id, after=position):
        log_line(output, line)
    if seen.state != "COMPLETED":
        raise not_completed(seen)


def print_moves(output: Output, run: FlowRunDetail, shown: int) -> int:
    """Says each move since the last look; answers how many have been said."""
    for move in run.state_history[shown:]:
        why = f"  {move.reason}" if move.reason else ""
        output.note(f"{time_of_day(move.timestamp)} {move.state}{why}")
    return len(run.state_history)


def print_new_lines(output: Output, opened: Client, run_id: str, position: str | None) -> str | None:
    """Prints the lines after a position; answers the position of the last one."""
    while page := opened.read_logs(run_id, after=position):
        for line in page:
            log_line(output, line)
        position = page[-1].position
    return position


def log_line(output: Output, line: object) -> None:
    """A line of the log: on stdout for people; programs asked for the run alone."""
    if output.form == "text":
        print_line(output, line)
        output.flush()


def timed_out(run: FlowRunDetail) -> CommandError:
    """The run had not ended in time."""
    hint = f"it goes on; `headgate flow-run explain {run.id}` says what it waits for"
    return CommandError(
        f"flow run {run.name} is still {run.state_name or run.state}", exit_code=TIMED_OUT, code="timed-out", hint=hint
    )


def not_completed(run: FlowRunDetail) -> CommandError:
    """The run ended, but not as its author meant it to."""
    why = f": {run.reason}" if run.reason else ""
    hint = f"see `headgate flow-run inspect {run.id}`"
    return CommandError(
        f"flow run {run.name} ended {run.state_name or run.state}{why}",
        exit_code=NOT_COMPLETED,
        code="not-completed",
        hint=hint,
    )
