"""What runs are listed by beside their state: flow, work queue, tags; kept of each deployment, whose index is walked.

So a list of few runs among very many looks at the runs of few deployments. A deployment keeps the traits of all its
revisions, also when it was deleted: its runs have those of the one they were made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.keys import StoreKeys
from queues.scripts import Scripts


class Traits:
    """Finds deployments by what their runs are listed by."""

    def __init__(self, scripts: Scripts, keys: StoreKeys) -> None:
        self._scripts = scripts
        self._keys = keys

    def deployments(self, *, flow: str | None = None, queue: str | None = None, tag: str | None = None) -> list[str]:
        """Give the ids of all deployments that can have runs of that flow, queue and tag, deleted ones too."""
        wanted, keys = named(flow=[flow], queue=[queue], tag=[tag]), self._keys
        had, known = self._scripts.ask_many(lambda pipe: [pipe.hgetall(keys.traits), pipe.hvals(keys.deployments)])
        told = {text(own): set(text(lines).split("\n")) for own, lines in had.items()}
        # What something else spoilt may have any.
        untold = [own for own in map(text, known) if own not in told]
        return [own for own, some in told.items() if wanted <= some] + untold


def traits_of(spec: Mapping[str, Any]) -> set[str]:
    """The traits of the runs that are made from a spec."""
    return named(flow=[spec["flow"]], queue=[spec["work_queue"]], tag=spec.get("tags") or ())


def named(**kinds: Sequence[str | None]) -> set[str]:
    """Traits as they are kept: `flow:score`, `queue:ml`, `tag:nightly`."""
    return {f"{kind}:{value}" for kind, values in kinds.items() for value in values if value is not None}


def text(data: bytes) -> str:
    """What stands in Redis as text."""
    return data.decode("utf-8", "replace")
