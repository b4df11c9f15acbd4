"""Lists of runs: which indexes hold the runs that fit, and walking through them newest first, in bounded steps.

Runs that have ended stand in one index for each deployment, state, queue and tags; those that have not in one for
each deployment, and all in one for each state. So what does not fit is hardly ever looked at, however much is stored.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, islice
from typing import Any

from redis import Redis

from orchestrator.keys import StoreKeys, deployment_limit
from queues.clock import SECOND_US, score_us
from queues.records import whole
from queues.scripts import Scripts
from queues.states import TERMINAL, State

Position = tuple[int, str]
"""A place in a list: when a run was made, and its id."""

SETS_PER_CALL = 32
"""Sorted sets that one call of page_runs walks as one: about 2 ms of Redis."""

HOUR_US = 3600 * SECOND_US

FEW_LIVE = 200
"""Runs that have not ended among which those are sought that a version before has ended, and left there."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which runs to list; what is None does not matter. `after` is the id of the last run of the page before.

    `among` are the ids of all deployments that such runs can be of, if there are few.

    They were made at or after `since_us` and before `until_us`; with `by_end` it is their end that lies there.
    """

    states: tuple[str, ...] | None = None
    deployment_id: str | None = None
    queue: str | None = None
    flow: str | None = None
    tag: str | None = None
    since_us: int = 0
    until_us: int | None = None
    by_end: bool = False
    after: str | None = None
    among: tuple[str, ...] | None = None

    def packed(self) -> dict[str, Any]:
        """Give what the script page_runs is told beside the sets that it walks through."""
        told = {"queue": self.queue, "flow": self.flow, "tag": self.tag, "upto": self.until_us}
        asked = {name: value for name, value in told.items() if value is not None}
        if not self.by_end:
            return asked | {"since": self.since_us}
        # Whatever ended before a time was made before it; what ended after it may be of any age.
        return asked | {"since": 0, "ended": [self.since_us, *([] if self.until_us is None else [self.until_us])]}


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The runs of a deployment that ended in one state, on one queue, with the same tags."""

    name: str
    state: str
    queue: str
    tags: tuple[str, ...]

    def fits(self, which: Filter) -> bool:
        """Whether it can have runs that fit."""
        state_fits = which.states is None or self.state in which.states
        return state_fits and which.queue in (None, self.queue) and (which.tag is None or which.tag in self.tags)


@dataclass(frozen=True, kw_only=True)
class _Group:
    """What there is of a deployment: names of sorted sets behind the prefix, and their sizes."""

    parts: tuple[_Part, ...]
    live: str
    live_size: int
    before: str
    before_size: int

    def ended(self, which: Filter) -> Iterator[str]:
        """The sets of runs that have ended and can fit."""
        return (part.name for part in self.parts if part.fits(which))


class RunLists:
    """Walks through the indexes of runs."""

    def __init__(self, scripts: Scripts, keys: StoreKeys) -> None:
        self._scripts = scripts
        self._keys = keys

    def walk(self, which: Filter, before: Position | None, *, limit: int, budget: int) -> Iterator[list[str]]:
        """Give the ids of the runs that fit behind a position, in pieces; `budget`: runs that one call looks at."""
        where = self._where(which)
        sets = where.pop("sets")
        arguments = {**where, **which.packed(), "limit": limit, "budget": budget}
        walks = [
            self._pieces({**arguments, "sets": sets[at : at + SETS_PER_CALL]}, before)
            for at in range(0, len(sets), SETS_PER_CALL)
        ]
        if len(walks) <= 1:
            yield from ([run_id for _, run_id in piece] for walk in walks for piece in walk)
            return
        rows = heapq.merge(*map(chain.from_iterable, walks), reverse=True)
        # A run that moves meanwhile may be met in two of them, one after the other.
        ids = (run_id for (_, run_id), _ in groupby(rows))
        while piece := list(islice(ids, limit)):
            yield piece

    def newest_of(self, deployment_ids: Sequence[str], count: int) -> dict[str, list[str]]:
        """The ids of the newest runs of each of these deployments."""
        groups = self._groups(deployment_ids)
        names = [[*(part.name for part in group.parts), group.live, group.before] for group in groups]

        def read(pipe: Any) -> None:
            for name in (name for some in names for name in some):
                pipe.zrevrange(f"{self._keys.prefix}:{name}", 0, count - 1, withscores=True)

        answers = iter(self._scripts.ask_many(read))
        found = {}
        for own, some in zip(deployment_ids, names, strict=True):
            rows = {
                (score_us(score), run_id.decode()) for answer in islice(answers, len(some)) for run_id, score in answer
            }
            found[own] = [run_id for _, run_id in sorted(rows, reverse=True)[:count]]
        return found

    def trim_hours(self, before_us: int) -> None:
        """Forget about the ends of runs that were made in hours before that of a time."""
        first = before_us // HOUR_US
        for key in map(self._keys.ends, sorted(TERMINAL)):
            hours = self._scripts.ask(partial(Redis.hkeys, name=key))
            if over := [hour for hour in hours if whole(hour) < first]:
                self._scripts.ask(partial(forget_fields, key, over))

    def _pieces(self, arguments: dict[str, Any], before: Position | None) -> Iterator[list[Position]]:
        more = True
        while more:
            asked = arguments if before is None else arguments | {"before": list(before)}
            reply = self._scripts.call("page_runs", **asked)
            if reply["runs"]:
                yield list(zip(reply["created"], reply["runs"], strict=True))
            position, more = reply.get("position"), reply["more"]
            before = before if position is None else (position[0], position[1])

    # ------------------------------------------------------------------ which sets
    def _where(self, which: Filter) -> dict[str, Any]:
        """The sets to walk, and what else the records of their runs are asked for."""
        states = which.states or tuple(State)
        among = which.among if which.deployment_id is None else (which.deployment_id,)
        if among is None:
            return {"sets": [f"runs:{state}" for state in states]}
        groups = self._groups(among)
        live = [state for state in states if state not in TERMINAL]
        ended = [name for group in groups for name in group.ended(which)]
        left = [group.before for group in groups if group.before_size]
        where: dict[str, Any] = {} if which.states is None else {"states": list(which.states)}
        if not live:
            few = sum(group.live_size for group in groups) <= FEW_LIVE
            return {"sets": ended + left + [group.live for group in groups if few and group.live_size], **where}
        indexes = [f"runs:{state}" for state in live]
        if self._size(indexes) >= sum(group.live_size + group.before_size for group in groups):
            return {"sets": ended + left + [group.live for group in groups if group.live_size], **where}
        if which.deployment_id is not None:
            where["within"] = [groups[0].live, groups[0].before]
        return {"sets": ended + indexes + (left if len(live) < len(states) else []), **where}

    def _groups(self, deployment_ids: Iterable[str]) -> list[_Group]:
        names = [deployment_limit(own) for own in deployment_ids]

        def read(pipe: Any) -> None:
            for name in names:
                pipe.hgetall(self._keys.parts(name))
                pipe.zcard(self._keys.group(name))
                pipe.zcard(self._keys.group_before(name))

        found = self._scripts.ask_many(read)
        return [
            self._group(name, parts, live, before)
            for name, parts, live, before in zip(names, found[::3], found[1::3], found[2::3], strict=True)
        ]

    def _group(self, name: str, parts: Mapping[bytes, bytes], live: int, before: int) -> _Group:
        return _Group(
            parts=tuple(
                self._part(name, part.decode(), tags.decode("utf-8", "replace")) for part, tags in parts.items()
            ),
            live=self._name(self._keys.group(name)),
            live_size=live,
            before=self._name(self._keys.group_before(name)),
            before_size=before,
        )

    def _part(self, group: str, part: str, tags: str) -> _Part:
        state, queue, *_ = *part.split("|"), ""
        name = self._name(self._keys.part(group, part))
        return _Part(name=name, state=state, queue=queue, tags=tuple(tags.split("\n")))

    def _name(self, key: str) -> str:
        return key.removeprefix(f"{self._keys.prefix}:")

    def _size(self, sets: Iterable[str]) -> int:
        def read(pipe: Any) -> None:
            for name in sets:
                pipe.zcard(f"{self._keys.prefix}:{name}")

        return sum(self._scripts.ask_many(read))


def forget_fields(key: str, fields: Sequence[bytes], client: Redis) -> None:
    """Remove fields of a hash."""
    client.hdel(key, *fields)
