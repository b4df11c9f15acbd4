"""Looking for runs that stand where their records do not want them, without changing anything: what `doctor` shows.

`queues.repair` finds the same and sets it right; in an installation whose scheduler works, nothing is found for long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from queues.keys import queue_limit
from queues.scripts import Scripts
from queues.states import HELD, State

SLICE = 500
"""Members that one call compares: about 5 ms of Redis."""
MOST_OF_A_PLACE = 5_000
"""Members of one place that are compared, first ones first: those are the next to be started, or held for longest."""
STANDING = HELD | {State.QUEUED, State.SCHEDULED}


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """A run that stands in a place and should not, or a held one that misses something.

    `kind` is orphan (there is no record), unreadable, bad, newer (of a newer schema, `text` the version that reads it),
    misplaced, no_place (it waits and stands nowhere), no_lease, or no_slot (`text` the limit).
    """

    run_id: str
    place: str
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What was looked at, and found; a run may be found in several places."""

    looked: int
    found: tuple[Misfit, ...]


class Audit:
    """Compares places with records; reads only."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def all(self, queues: Iterable[str], limits: Iterable[str]) -> Audited:
        """Compare what is held, who holds slots of these queues and limits, and what waits."""
        queues = list(queues)
        names = dict.fromkeys([*map(queue_limit, queues), *limits])
        places = [*(f"runs:{state}" for state in sorted(STANDING)), "leases", *(f"holders:{name}" for name in names)]
        lines = self._scripts.ask_many(lambda pipe: [pipe.smembers(self._scripts.keys.lines(name)) for name in queues])
        names_of_lines = sorted(name.decode("utf-8", "replace") for some in lines for name in some)
        places += [*(f"waiting:{line}" for line in [*queues, *names_of_lines]), "delayed"]
        parts = [self.place(place) for place in places]
        return Audited(
            looked=sum(part.looked for part in parts), found=tuple(one for part in parts for one in part.found)
        )

    def place(self, place: str) -> Audited:
        """Compare the members of one place, a key behind the prefix."""
        looked, found = 0, []
        for start in range(0, MOST_OF_A_PLACE, SLICE):
            reply = self._scripts.call("audit", place=place, start=start, count=SLICE)
            looked += reply["looked"]
            found += [
                Misfit(run_id=run_id, place=place, kind=kind, text=text)
                for run_id, kind, text in list(reply["found"] or [])
            ]
            if reply["looked"] < SLICE:
                break
        return Audited(looked=looked, found=tuple(found))
