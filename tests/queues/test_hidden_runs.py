"""Random operations against a brute-force oracle: a claim gives exactly the runs that must be next, never too many."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace

import pytest

from queues.claims import Claim
from queues.errors import RefusedByState, UnknownRun
from queues.runs import NewRun
from queues.states import State
from tests.queues.floor import Floor, proof
from tests.queues.oracle import check, look, next_claims

QUEUES = [(1, "high"), (5, "low"), (5, "also")]
LIMITS = ["tag:a", "tag:b", "deployment:d", "key:k"]
REQUIRED = [(), (), (), ("gpu",), ("eu", "gpu")]
AGENTS = [(), (), ("gpu",), ("eu", "gpu", "tpu")]
"""Labels that runs require, and that agents have."""


class Player:
    """Plays random moves; knows what it has claimed and how many runs hold each limit at most."""

    def __init__(self, floor: Floor, seed: int) -> None:
        self.floor, self.dice = floor, random.Random(seed)
        self.claims: list[Claim] = []
        self.count = self.paused = self.asked = 0
        self.found = self.labelled = 0
        for priority, queue in QUEUES:
            floor.queues.create(queue, priority=priority)
        for limit in LIMITS:
            floor.limits.set(limit, self.dice.choice([1, 2]), "t")

    def create(self) -> None:
        """Make a few runs with random limits, some due long ago, some later."""
        now, new = self.floor.scripts.now_us(), []
        for _ in range(self.dice.randint(1, 4)):
            self.count += 1
            limits = tuple(self.dice.sample(LIMITS, self.dice.randint(0, 3)))
            due = now + self.dice.choice([-9, -5, 0, 0, 0, 20]) * 1_000_000 + self.count
            queue = self.dice.choice(QUEUES)[1]
            made = NewRun(id=f"r{self.count}", queue=queue, limits=limits, due_us=due, actor="t", max_lost=9)
            new.append(replace(made, requires=self.dice.choice(REQUIRED)))
        self.floor.runs.create(new)

    def claim(self) -> None:
        """Claim; the runs must be those that the oracle names, in its order, and no limit may be passed."""
        count = self.dice.choice([1, 1, 2, 5])
        world = look(self.floor)
        lowered = {limit for limit in world.numbers if world.room(limit) < 0}
        number = self.dice.randrange(len(AGENTS))
        labels, self.asked = AGENTS[number], self.asked + 1
        expected = next_claims(world, [(rank, queue) for rank, queue in QUEUES if queue != self.closed], count, labels)
        agent = self.floor.agent(f"a{number}", labels=labels)
        got = agent.claim([queue for _, queue in QUEUES], count, claim_id=f"claim-{self.asked}").claims
        assert [claim.run_id for claim in got] == expected
        assert {limit for limit in world.numbers if world.room(limit) < 0} == lowered
        self.found += len(got)
        self.labelled += sum(bool(claim.record.requires) for claim in got)
        self.claims += got

    @property
    def closed(self) -> str | None:
        """The queue that is paused."""
        return QUEUES[self.paused - 1][1] if self.paused else None

    def pause(self) -> None:
        """Pause another queue, or none."""
        for _, queue in QUEUES:
            self.floor.queues.resume(queue, "t")
        self.paused = self.dice.choice([0, 0, 1, 2, 3])
        if self.closed:
            self.floor.queues.pause(self.closed, "t")

    def end(self) -> None:
        """Finish, retry or release a random claim, which may be lost already."""
        if not self.claims:
            return
        claim = self.claims.pop(self.dice.randrange(len(self.claims)))
        match self.dice.choice(["finish", "retry", "release"]):
            case "finish":
                self.floor.finish(claim)
            case "retry":
                self.floor.finish(claim, "FAILED", retry_in_seconds=self.dice.choice([0, 30]))
            case "release":
                self.floor.agent().release(*proof(claim), reason="t")

    def cancel(self) -> None:
        """Cancel the head of a line, or any run."""
        ids = [*self.floor.line(self.dice.choice(QUEUES)[1])[:1], f"r{self.dice.randint(1, self.count + 1)}"]
        with suppress(RefusedByState, UnknownRun):
            self.floor.runs.cancel(self.dice.choice(ids), actor="t")

    def set_limit(self) -> None:
        """Raise, lower, set or clear a random limit."""
        limit = self.dice.choice([*LIMITS, *LIMITS, *(f"queue:{queue}" for _, queue in QUEUES)])
        number = self.dice.choice([None, 1, 1, 1, 2, 2, 4])
        # With `offer` 1 a raise by more than one depends on every claim to bring the next parked run into line.
        self.floor.scripts.call("set_limit", limit=limit, number=number, actor="t", offer=1)

    def expire(self) -> None:
        """Let time pass: leases end, delayed runs become due."""
        self.floor.travel(self.dice.choice([1, 10, 33]))
        self.floor.runs.promote()
        self.floor.leases.expire_once()

    def step(self) -> None:
        """Play one random move."""
        moves = [self.create] * 4 + [self.claim] * 6 + [self.end] * 3
        self.dice.choice([*moves, self.set_limit, self.set_limit, self.cancel, self.cancel, self.pause, self.expire])()


@pytest.mark.parametrize("seed", range(12))
def test_no_runnable_run_is_ever_hidden_and_no_limit_ever_exceeded(floor: Floor, seed: int) -> None:
    player = Player(floor, seed)
    parked = 0
    for _ in range(120):
        player.step()
        world = look(floor)
        check(world)
        parked += any(world.parked.values())
    met = (player.found, player.labelled, parked)
    assert player.found > 10 and player.labelled > 2 and parked > 10, (
        f"the game met too little to prove anything: {met}"
    )


def test_tokens_of_a_random_game_never_repeat_or_fall(floor: Floor) -> None:
    player, seen = Player(floor, 99), 0
    for _ in range(150):
        known = len(player.claims)
        player.step()
        for claim in player.claims[known:]:
            assert claim.token > seen
            seen = claim.token
    assert any(run.state == State.CANCELLED for run in look(floor).runs.values())


def test_a_run_parked_behind_one_that_is_passed_over_is_given(floor: Floor) -> None:
    floor.limits.set("tag:a", 1, "t")
    holder = floor.start("holder", limits=("tag:a",))
    floor.make("avoided", limits=("deployment:d", "tag:a"))
    floor.make("behind", limits=("tag:a",))
    assert floor.claim() == []  # both are parked now, and the end of the holder brings only the older into line
    floor.finish(holder)
    found = floor.agent("b1").claim(["default"], 1, claim_id="c9", avoid=("deployment:d",)).claims
    assert [claim.run_id for claim in found] == ["behind"]
