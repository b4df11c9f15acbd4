"""What `deployment create` does about code beyond sending it: importing it first, and telling what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.cli.output import Output

if TYPE_CHECKING:
    from orchestrator.bundles.packing import Packed
    from orchestrator.client.deployment_code import Check
    from orchestrator.client.deployment_values import Deployed


def checker(output: Output, seconds: float) -> Check:
    """Imports each flow once for all its deployments, or says why it can not be; raises InvalidFlowFile."""
    from orchestrator.check_code import check, unchecked

    seen: set[tuple[str, str]] = set()

    def checked(spec: Mapping[str, Any], packed: Packed | None) -> None:
        flow = (str(spec["path"]), str(spec["function"]))
        if why := unchecked(spec):
            output.note(f"Note: {why}")
        elif flow not in seen:
            seen.add(flow)
            check(spec, packed, seconds=seconds)

    return checked


def noted(output: Output, made: Iterable[Deployed]) -> None:
    """Tells once what was left out of the code that several deployments share."""
    for note in dict.fromkeys(note for one in made if one.code is not None for note in one.code.notes):
        output.note(f"Warning: {note}")
