"""How an explanation is printed: each reason with the command that changes it, then who holds the slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.output import Columns, Output

if TYPE_CHECKING:
    from orchestrator.client.values import Explanation

HOLDERS: Columns = {
    "Held By": "name",
    "Run ID": "run_id",
    "State": "state",
    "Agent": "agent",
    "Host": "host",
    "Since": "since",
}


def print_explanation(output: Output, told: Explanation) -> None:
    """Print why a run is where it is."""
    if output.form != "text":
        output.json(told)
        return
    state = output.cell(told.state_name or told.state)
    for place, reason in enumerate(told.reasons):
        head, what = (output.cell(told.name), f" is {state}") if place == 0 else ("also", "")
        output.paragraph(head, f"{what}: {output.cell(reason.text)}", str if place else None)
        if reason.command:
            output.line(f"    {output.cell(reason.command)}")
    if told.holders:
        output.line("")
        output.table(told.holders, HOLDERS, optional=("State", "Agent"))
