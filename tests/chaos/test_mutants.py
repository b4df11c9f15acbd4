"""The checker sees every one of twelve mistakes by the promise it breaks, and none where there is none."""

from __future__ import annotations

import pytest
import redis as redis_py

from tests.chaos.checker import PROMISES, check
from tests.chaos.mutants import MUTANTS, Lua, Mutant, applied, caught
from tests.chaos.protocol_stepped import Stepped


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mistake_is_seen_by_the_promise_it_breaks(mutant: Mutant, redis: redis_py.Redis) -> None:
    seed, report = caught(mutant, redis, seeds=range(8))
    assert mutant.breaks in report.broken(), f"seed {seed}\n{report.table()}"


def test_nothing_is_seen_where_nothing_is_wrong(redis: redis_py.Redis) -> None:
    covered: set[str] = set()
    for seed in range(3):
        report = check(Stepped(redis, seed, rounds=160).run())
        assert report.violations == 0, report.table()
        covered |= {name for name, row in report.rows.items() if row.covered}
    assert covered == set(PROMISES), "each promise was at stake"


def test_a_mutant_of_words_that_are_gone_is_an_error() -> None:
    mutant = Mutant("stale", "I2", (Lua("words that no script has", "", "claim"),))
    with pytest.raises(AssertionError, match="written anew"), applied(mutant):
        pass


def test_there_are_twelve_and_each_has_a_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == 12
