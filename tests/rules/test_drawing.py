"""The states drawn in the documentation are the states of the code."""

import re

from queues.states import TRANSITIONS
from tests.rules.source_files import ROOT


def drawing() -> str:
    """One line per state, in the order of the table, with where it may go."""
    lines = []
    for state, onward in TRANSITIONS.items():
        targets = "  ".join(str(other) for other in TRANSITIONS if other in onward)
        lines.append(f"{state:<10} → {targets}" if targets else f"{state:<10} (final)")
    return "\n".join(lines)


def test_the_states_on_the_architecture_page_are_made_from_the_table():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.search(r"<!-- states:[^>]*-->\n```\n(.*?)\n?```", page, re.DOTALL)
    assert drawn is not None
    assert drawn.group(1) == drawing(), f"put this on the page:\n{drawing()}"
