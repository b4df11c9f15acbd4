"""The decisions of agents and schedulers hold every promise in simulated worlds full of faults, and mutants do not."""

from __future__ import annotations

import pytest

from tests.chaos.simulation import season
from tests.chaos.simulation_mutants import MUTANTS
from tests.chaos.simulation_play import play

FAULTS = (
    "cuts",
    "frozen supervisors",
    "kills of supervisors",
    "deaths of hosts",
    "kills of Redis",
    "lost tails",
    "times without writes",
    "jumps of Redis' clock",
    "lost answers",
    "drains and stops",
    "leases expired",
)


def test_every_promise_holds_in_simulated_worlds() -> None:
    found = season(0, plays=60)
    print(found.text())
    assert not found.broken, [(played.seed, played.broken) for played in found.broken]
    assert all(found.occurred[fault] for fault in FAULTS), found.occurred


@pytest.mark.slow
def test_every_promise_holds_in_simulated_worlds_for_a_minute() -> None:
    found = season(10_000, seconds=60.0)
    print(found.text())
    assert not found.broken, [(played.seed, played.broken) for played in found.broken]
    assert all(found.occurred[fault] >= 20 for fault in FAULTS), found.occurred


def test_a_seed_says_everything_that_happens() -> None:
    first, second = play(7, tracing=True), play(7, tracing=True)
    assert first.trace == second.trace and len(first.trace) > 100


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_decision_is_noticed(name: str) -> None:
    with MUTANTS[name]():
        found = season(0, plays=3000, stop=True)
    assert found.broken, f"{name}: nothing was noticed in {found.plays} plays"
