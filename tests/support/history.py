"""What the event stream says about limits: replayed, with the holders of every limit counted after each move."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import redis as redis_py

HELD = {"PENDING", "RUNNING", "CANCELLING"}


def moves(redis: redis_py.Redis, prefix: str = "{headgate}") -> list[dict[str, str]]:
    """Every move in the event stream, oldest first."""
    entries: Any = redis.xrange(f"{prefix}:events")
    return [{key.decode(): value.decode() for key, value in fields.items()} for _, fields in entries]


class Occupancy:
    """Counts the holders of every limit while moves are fed in order; `peaks` keeps the highest count of each."""

    def __init__(self) -> None:
        self.holders: dict[str, set[str]] = defaultdict(set)
        self.held: dict[str, list[str]] = {}
        self.peaks: dict[str, int] = defaultdict(int)

    def feed(self, move: dict[str, str]) -> None:
        """Take one move into account."""
        run = move["run"]
        if move["to"] in HELD:
            for limit in move["held"].splitlines():
                self.holders[limit].add(run)
                self.peaks[limit] = max(self.peaks[limit], len(self.holders[limit]))
            self.held[run] = move["held"].splitlines()
        else:
            for limit in self.held.pop(run, []):
                self.holders[limit].discard(run)


def occupancy(redis: redis_py.Redis) -> Occupancy:
    """Replay the whole stream."""
    replay = Occupancy()
    for move in moves(redis):
        replay.feed(move)
    return replay


class Allowed:
    """What each limit allowed over time, from the stream of operator changes."""

    def __init__(self) -> None:
        self.steps: dict[str, list[tuple[int, int | None]]] = defaultdict(list)

    def at(self, limit: str, at_us: int) -> int | None:
        """The number in force at a time; None where there was no limit."""
        number = None
        for since, changed_to in self.steps[limit]:
            if since <= at_us:
                number = changed_to
        return number


def allowed(redis: redis_py.Redis, prefix: str = "{headgate}") -> Allowed:
    """Read the changes of limits, oldest first."""
    found = Allowed()
    entries: Any = redis.xrange(f"{prefix}:changes")
    for _, fields in entries:
        change = {key.decode(): value.decode() for key, value in fields.items()}
        if change["field"] == "limit":
            found.steps[change["subject"]].append((int(change["at"]), int(change["new"]) if change["new"] else None))
    return found
