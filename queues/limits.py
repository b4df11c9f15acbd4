"""Limits: how many runs may hold a slot at once, who holds one, who is parked until one is free."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queues import events
from queues.clock import score_us, seconds_to_us
from queues.errors import InvalidValue
from queues.keys import LIMIT, queue_of
from queues.records import whole
from queues.scripts import Scripts

LARGEST = 10_000
OFFER = 50
"""Parked runs per queue that a raised limit puts into line at once; each claim then brings the next."""


REVERTED_AT_ONCE = 100
SHORTEST_WHILE, LONGEST_WHILE = 1.0, 366 * 86400.0
"""Seconds for which a limit can be changed."""


@dataclass(frozen=True, kw_only=True)
class Parked:
    """A run that is due and waits for a full limit."""

    run_id: str
    queue: str
    due_us: int


def checked_limit(number: int) -> int:
    """Give the number back, or raise InvalidValue; a limit of 0 is a pause, which is a switch of its own."""
    if number == 0:
        raise InvalidValue("a limit", f"1 to {LARGEST} (to stop all starts, pause the work queue)", number)
    if not 1 <= number <= LARGEST:
        raise InvalidValue("a limit", f"1 to {LARGEST}", number)
    return number


def checked_while(seconds: float) -> float:
    """Give the time back for which a limit is changed, or raise InvalidValue."""
    if not SHORTEST_WHILE <= seconds <= LONGEST_WHILE:
        raise InvalidValue("the time that a limit is changed for", "1 second to 366 days", seconds)
    return seconds


class Limits:
    """Sets and reads limits by name: queue:…, deployment:…, tag:…, key:…"""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._keys = scripts.keys

    def set(self, limit: str, number: int | None, actor: str, *, lasts_seconds: float | None = None) -> int | None:
        """Change a limit, None removes it; runs that hold a slot keep it, and count. Gives the number before.

        With `lasts_seconds` it gets the number before back after that time, by whoever calls `revert_due`; any change
        meanwhile counts for more. A second change for a time leads back to the number before both.
        """
        if not LIMIT.fullmatch(limit):
            raise InvalidValue("the name of a limit", "kind:name in one line, without |", limit)
        number = None if number is None else checked_limit(number)
        arguments = {"limit": limit, "number": number, "actor": actor, "offer": OFFER}
        if lasts_seconds is not None:
            arguments["lasts_us"] = seconds_to_us(checked_while(lasts_seconds))
        reply = self._scripts.call("set_limit", **arguments)
        before: int | None = reply.get("before")
        if reply["changed"]:
            events.limit_set(limit=limit, before=before, after=number, actor=actor)
        return before

    def revert_due(self, *, actor: str) -> list[str]:
        """Give limits their number again whose time is over, at most a hundred; gives the names of those limits."""
        reverted = list(self._scripts.call("revert_limits", actor=actor, offer=OFFER, most=REVERTED_AT_ONCE))
        for one in reverted:
            events.limit_set(limit=one["limit"], before=one.get("before"), after=one.get("after"), actor=actor)
        return [one["limit"] for one in reverted]

    def get(self, limit: str) -> int | None:
        """Read a limit; None when there is none."""
        number = self._scripts.ask(lambda client: client.hget(self._keys.limits, limit))
        return None if number is None else whole(number)

    def all(self) -> dict[str, int]:
        """Read all limits that are set; 0 stands for what is no number, which lets no run in."""
        numbers = self._scripts.ask(lambda client: client.hgetall(self._keys.limits))
        return {name.decode("utf-8", "replace"): whole(number) for name, number in numbers.items()}

    def holders(self, limit: str) -> list[tuple[str, int]]:
        """List the runs that hold a slot and since when (microseconds), oldest first."""
        held = self._scripts.ask(lambda client: client.zrange(self._keys.holders(limit), 0, -1, withscores=True))
        return [(run_id.decode(), score_us(taken)) for run_id, taken in held]

    def used(self, limits: Sequence[str]) -> list[tuple[int, int]]:
        """Count, for each of some limits, the runs that hold a slot and those that are parked until one is free."""

        def read(pipe: Any) -> None:
            for limit in limits:
                pipe.zcard(self._keys.holders(limit))
                pipe.smembers(self._keys.parked_lines(limit))

        found = self._scripts.ask_many(read)
        places = [
            (at, self._keys.parked(limit, line.decode()))
            for at, (limit, lines) in enumerate(zip(limits, found[1::2], strict=True))
            for line in lines
        ]
        sizes = self._scripts.ask_many(lambda pipe: [pipe.zcard(key) for _, key in places])
        parked = [0] * len(limits)
        for (at, _), size in zip(places, sizes, strict=True):
            parked[at] += size
        return list(zip(found[::2], parked, strict=True))

    def room(self, limit: str) -> int | None:
        """Count the free slots; None when the limit has no number, negative after it was lowered below what is held."""
        number = self.get(limit)
        if number is None:
            return None
        return number - int(self._scripts.ask(lambda client: client.zcard(self._keys.holders(limit))))

    def parked(self, limit: str, most: int = 1000) -> list[Parked]:
        """List runs that wait for this limit, oldest first."""
        members = self._scripts.ask(lambda client: client.smembers(self._keys.parked_lines(limit)))
        lines = sorted(name.decode() for name in members)

        def read(pipe: Any) -> None:
            for line in lines:
                pipe.zrange(self._keys.parked(limit, line), 0, most - 1, withscores=True)

        found = zip(map(queue_of, lines), self._scripts.ask_many(read), strict=True)
        runs = [
            Parked(run_id=run.decode(), queue=queue, due_us=score_us(due)) for queue, runs in found for run, due in runs
        ]
        return sorted(runs, key=lambda run: (run.due_us, run.run_id))[:most]
