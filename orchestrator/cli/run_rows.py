"""The columns of lists of runs, of the slots that runs hold, and of what operators changed."""

from typing import Any

from orchestrator.cli.moments import spoken
from orchestrator.cli.output import Columns
from orchestrator.cli.values import Reference

RUNS: Columns = {
    "ID": "id",
    "Name": "name",
    "Deployment": "deployment",
    "State": lambda run: run.state_name or run.state,
    "Work Queue": "work_queue",
    "Scheduled Start Time": "scheduled_start_time",
    "Start Time": "start_time",
    "End Time": "end_time",
    "Attempt": "attempt",
    "Agent": "agent",
    "Why": "why",
}
LESS_NEEDED = ("End Time", "Attempt", "Start Time", "Agent", "Work Queue")
RUN = Reference()
SLOTS: Columns = {
    "Run ID": "run_id",
    "Name": "name",
    "State": "state",
    "Agent": "agent",
    "Host": "host",
    "Since": "since",
    "Lease Left": lambda slot: lease_in_words(slot),
}
CHANGES: Columns = {"At": "at", "Who": "who", "What": "what", "Old": "old", "New": "new"}


def lease_in_words(slot: Any) -> str | None:
    """How long a lease lasts, or since when it has ended: the slot is free again soon then."""
    seconds = slot.lease_left_seconds
    if seconds is None:
        return None
    return spoken(seconds) if seconds >= 0 else f"ended {spoken(-seconds)} ago"
