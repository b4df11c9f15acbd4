"""Keys of ours that a stranger let expire or that the server dropped: looked at once a minute.

Only wake-ups, idle marks, kept answers and what rq tools see may expire. A run or a limit with a time to live would
vanish in silence, so it is taken off. What the server dropped (an eviction policy that was set after the start, a DEL
by hand) is gone: it is told with the remedy, and counted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from queues.key_types import EXPECTED
from queues.scripts import Scripts

SCANNED = 1000
"""Keys that one look goes on to, beside those on which everything depends."""
MAY_EXPIRE = frozenset({"request", "idling", "wake"})
NEVER_GONE = ("recovery", "token", "events", "queues")
"""Keys that stay for ever once they are there."""


@dataclass(frozen=True, kw_only=True)
class Endangered:
    """What a look found: keys whose time to live was taken off, keys that are gone, and keys the server dropped."""

    freed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    dropped: int = 0
    problems: tuple[str, ...] = field(default=())
    """Sentences for people, each with what to do."""


class KeyWatch:
    """Looks over one installation; `kinds` are the first words of the keys that floors above keep."""

    def __init__(self, scripts: Scripts, *, kinds: Collection[str] = ()) -> None:
        self._scripts = scripts
        self._kept = (frozenset(EXPECTED) | frozenset(kinds)) - MAY_EXPIRE
        self._cursor = 0
        self._seen: set[str] = set()
        self._evicted: int | None = None

    def look(self) -> Endangered:
        """Look at the vital keys, at some of the others, and at what the server says of itself."""
        pattern = f"{self._scripts.prefix}:*".replace("[", "\\[")
        self._cursor, found = self._scripts.ask(lambda client: client.scan(self._cursor, pattern, SCANNED))
        lives = self._lives([*self.vital(), *(key.decode("utf-8", "replace") for key in found)])
        freed = tuple(key for key, left in lives.items() if left >= 0)
        if freed:
            self._scripts.ask_many(lambda pipe: [pipe.persist(key) for key in freed])
        there = {name for name in NEVER_GONE if lives[f"{self._scripts.prefix}:{name}"] != -2}
        gone = tuple(sorted(self._seen - there))
        self._seen = there
        dropped, policy = self._server()
        self._count(freed=len(freed), gone=len(gone), dropped=dropped)
        return Endangered(
            freed=freed, gone=gone, dropped=dropped, problems=tuple(problems_of(freed, gone, dropped, policy))
        )

    def vital(self) -> list[str]:
        """Name the keys of which there is one, and on which everything depends."""
        return [f"{self._scripts.prefix}:{name}" for name in sorted(self._kept)]

    def expiring(self, keys: list[str]) -> list[str]:
        """Give those of the keys that have a time to live and must not; changes nothing."""
        return [key for key, left in self._lives(keys).items() if left >= 0]

    def _lives(self, keys: list[str]) -> dict[str, int]:
        """Milliseconds that keys of ours have to live: -1 for ever, -2 not there."""
        ours = [key for key in dict.fromkeys(keys) if self._kind(key) in self._kept]
        return dict(zip(ours, self._scripts.ask_many(lambda pipe: [pipe.pttl(key) for key in ours]), strict=True))

    def _kind(self, key: str) -> str:
        return key.removeprefix(f"{self._scripts.prefix}:").partition(":")[0]

    def _server(self) -> tuple[int, str]:
        """How many keys the server dropped since the last look, and by which policy it drops."""
        info: dict[str, Any] = self._scripts.ask(lambda client: client.info("everything"))
        evicted, before = int(info.get("evicted_keys", 0)), self._evicted
        self._evicted = evicted
        return max(0, evicted - before) if before is not None else 0, str(info.get("maxmemory_policy", "noeviction"))

    def _count(self, **found: int) -> None:
        kinds = {f"keys_{kind}": count for kind, count in found.items() if count}
        if kinds:
            keys, now_us = self._scripts.keys, self._scripts.now_us()
            self._scripts.ask_many(
                lambda pipe: [
                    (pipe.hincrby(keys.counters, kind, count), pipe.hset(keys.counted, kind, now_us))
                    for kind, count in kinds.items()
                ]
            )


def problems_of(freed: Collection[str], gone: Collection[str], dropped: int, policy: str) -> list[str]:
    """What was found, as sentences."""
    problems = []
    if freed:
        problems.append(
            f"{len(freed)} keys of ours were to expire, {min(freed)} for one: find who sets EXPIRE on them."
        )
    if gone:
        problems.append(f"keys that never go are gone ({', '.join(gone)}): find who deletes; restore a backup.")
    if policy.startswith("allkeys"):
        problems.append(f"maxmemory-policy is {policy} and may drop runs. CONFIG SET maxmemory-policy noeviction.")
    if dropped:
        problems.append(f"Redis dropped {dropped} keys for want of memory, runs may be among them. Raise maxmemory.")
    return problems
