"""The columns of a list of runs."""

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
