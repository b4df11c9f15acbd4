"""What must be true of floor 0, computed the slow way from everything that Redis holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from queues.runs import Run
from queues.states import HELD, State
from tests.queues.floor import Floor


@dataclass(frozen=True, kw_only=True)
class World:
    """All runs and all that is indexed about them, read in one go."""

    runs: dict[str, Run]
    numbers: dict[str, int]
    holders: dict[str, set[str]]
    waiting: dict[str, list[str]]
    parked: dict[tuple[str, str], list[str]]
    mirror: dict[str, list[str]]
    leased: set[str]
    delayed: set[str]
    states: dict[str, set[str]]

    def room(self, limit: str) -> float:
        """How many more runs a limit lets in."""
        return self.numbers.get(limit, float("inf")) - len(self.holders[limit])

    def needs(self, run: Run) -> tuple[str, ...]:
        """Every limit a run needs a slot of."""
        return (f"queue:{run.queue}", *run.limits)

    def startable(self, run: Run) -> bool:
        """Whether nothing but a missing agent keeps a run from starting."""
        return run.state == State.QUEUED and all(self.room(limit) >= 1 for limit in self.needs(run))


def look(floor: Floor) -> World:
    """Read the world."""
    prefix = f"{floor.keys.prefix}:"
    keys = [key.decode().removeprefix(prefix) for key in floor.redis.keys("*")]
    ids = [key.removeprefix("run:") for key in keys if key.startswith("run:")]
    queued = [key for key in keys if key.startswith("rq:queue:")]
    sorted_sets = [key for key in keys if key.startswith(("holders:", "waiting:", "parked:", "runs:"))] + ["leases"]
    sorted_sets = [key for key in sorted_sets if not key.startswith("parked:") or "|" in key] + ["delayed"]

    def read(pipe: Any) -> None:
        for key in queued:
            pipe.lrange(prefix + key, 0, -1)
        for key in sorted_sets:
            pipe.zrange(prefix + key, 0, -1)

    found = [[member.decode() for member in answer] for answer in floor.scripts.ask_many(read)]
    lists = {key.removeprefix("rq:queue:"): items for key, items in zip(queued, found, strict=False)}
    zsets = dict(zip(sorted_sets, found[len(queued) :], strict=True))

    def named(start: str) -> dict[str, list[str]]:
        return {key.removeprefix(start): found for key, found in zsets.items() if key.startswith(start)}

    return World(
        runs={run.id: run for run in floor.runs.get_many(ids) if run},
        numbers=floor.limits.all(),
        holders=defaultdict(set, {limit: set(held) for limit, held in named("holders:").items()}),
        waiting=defaultdict(list, named("waiting:")),
        parked={tuple(place.split("|")): found for place, found in named("parked:").items()},  # type: ignore[misc]
        mirror=defaultdict(list, lists),
        leased=set(zsets.get("leases", [])),
        delayed=set(zsets.get("delayed", [])),
        states=defaultdict(set, {state: set(found) for state, found in named("runs:").items()}),
    )


def check(world: World) -> None:
    """Every run stands in exactly the places its state asks for, and no parked run is forgotten."""
    places: dict[str, list[str]] = defaultdict(list)
    for queue, ids in world.waiting.items():
        assert sorted(ids) == sorted(world.mirror[queue]), f"rq's list of {queue}"
        for run_id in ids:
            places[run_id].append(f"waiting:{queue}")
    for (limit, queue), ids in world.parked.items():
        for run_id in ids:
            places[run_id].append(f"parked:{limit}|{queue}")
    for run in world.runs.values():
        expected = [f"parked:{run.parked}|{run.line}" if run.parked else f"waiting:{run.line}"]
        assert places[run.id] == (expected if run.state == State.QUEUED else []), run
        held = {limit for limit, holders in world.holders.items() if run.id in holders}
        assert held == (set(world.needs(run)) if run.state in HELD else set()), run
        assert set(run.held) == held and (run.id in world.leased) == (run.state in HELD), run
        assert (run.id in world.delayed) == (run.state == State.SCHEDULED), run
        assert [state for state, ids in world.states.items() if run.id in ids] == [run.state], run
    assert set(places) <= set(world.runs)
    check_parking(world)


def check_parking(world: World) -> None:
    """Whenever a limit has room, the oldest run that needs it and is parked under it has a run before it in line."""
    for (limit, line), parked in world.parked.items():
        if world.room(limit) >= 1 and parked:
            waiting = [world.runs[run_id] for run_id in world.waiting[line] if run_id in world.runs]
            oldest = world.runs[parked[0]]
            assert any(limit in run.limits and run.due_us <= oldest.due_us for run in waiting), (limit, line)


def next_claims(world: World, queues: list[tuple[int, str]], count: int, labels: Collection[str] = ()) -> list[str]:
    """The runs that one claim on these (priority, queue) must give, in order; the world changes as they are taken."""
    taken: list[str] = []
    while len(taken) < count and (run_id := next_claim(world, queues, labels)):
        taken.append(run_id)
        run = world.runs[run_id]
        world.runs[run_id] = replace(run, state=State.PENDING)
        for limit in world.needs(run):
            world.holders[limit].add(run_id)
    return taken


def next_claim(world: World, queues: list[tuple[int, str]], labels: Collection[str] = ()) -> str | None:
    """The run that must be claimed next: by priority, then due time, then id."""
    ranked = [
        (priority, run.due_us, order, run.id)
        for order, (priority, queue) in enumerate(queues)
        for run in world.runs.values()
        if run.queue == queue and world.startable(run) and set(run.requires) <= set(labels)
    ]
    return min(ranked)[3] if ranked else None
