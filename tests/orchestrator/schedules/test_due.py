"""Which instants get a run after any downtime, and that every other one is in exactly one recorded range."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule
from orchestrator.schedules.due import Due, Skipped, due
from orchestrator.schedules.instants import instants_after

NOW = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def minutely(**arguments: Any) -> CronSchedule:
    """A schedule that fires every minute."""
    return CronSchedule("* * * * *", timezone="Europe/Paris", **arguments)


def after(downtime: timedelta, schedule: Schedule, **arguments: Any) -> Due:
    """What is due when nothing was dealt with for so long."""
    return due(schedule, cursor=NOW - downtime, now=NOW, **arguments)


def test_in_normal_times_the_one_instant_runs() -> None:
    found = after(MINUTE, minutely())
    assert found == Due(make=(NOW - 30 * MINUTE / 60,), skipped=(), cursor=found.make[0], next=found.make[0] + MINUTE)


def test_nothing_is_due_before_the_next_instant() -> None:
    cursor = NOW - timedelta(seconds=30)
    assert due(minutely(), cursor=cursor, now=NOW) == Due(make=(), skipped=(), cursor=cursor, next=cursor + MINUTE)


def test_after_three_days_only_the_latest_runs_and_the_others_are_one_range() -> None:
    found = after(timedelta(days=3), minutely())
    (skipped,) = found.skipped
    assert found.make == (datetime(2026, 11, 22, 12, tzinfo=UTC),)
    assert (skipped.count, skipped.code) == (4319, "missed")
    assert skipped.last == found.make[0] - MINUTE
    assert "only the latest missed instant runs" in skipped.reason


def test_catching_up_a_number_runs_the_latest_of_them() -> None:
    found = after(timedelta(hours=1), minutely(catch_up=5))
    assert [instant.minute for instant in found.make] == [56, 57, 58, 59, 0]
    assert found.skipped[0].count == 55


def test_catching_up_all_runs_ten_thousand() -> None:
    found = after(timedelta(minutes=9_999), minutely(catch_up="all"))
    assert (len(found.make), found.skipped) == (9_999, ())
    found = after(timedelta(minutes=12_000), minutely(catch_up="all"))
    assert (len(found.make), found.skipped[0].count) == (10_000, 2_000)


def test_skipping_runs_what_is_on_time_and_nothing_that_was_missed() -> None:
    assert len(after(MINUTE, minutely(catch_up="skip")).make) == 1
    hourly = CronSchedule("0 * * * *", catch_up="skip")
    found = due(hourly, cursor=NOW - timedelta(hours=5), now=NOW + 20 * MINUTE)
    assert (found.make, found.skipped[0].count) == ((), 5)
    assert "missed instants do not run" in found.skipped[0].reason


def test_while_a_run_waits_further_instants_are_skipped_with_that_reason() -> None:
    found = after(3 * MINUTE, minutely(), room=0)
    assert (found.make, found.skipped[0].count, found.skipped[0].code) == ((), 3, "waiting")
    assert "still waiting to start" in found.skipped[0].reason


def test_with_room_for_some_the_earliest_of_those_to_catch_up_run() -> None:
    found = after(6 * MINUTE, minutely(catch_up=4), room=2)
    assert [instant.minute for instant in found.make] == [57, 58]
    assert [(one.count, one.code) for one in found.skipped] == [(2, "missed"), (2, "waiting")]


def test_a_paused_deployment_makes_nothing_and_says_so() -> None:
    found = after(3 * MINUTE, minutely(), paused=True)
    assert (found.make, found.skipped[0].code, found.cursor) == ((), "paused", found.skipped[0].last)


def test_a_clock_that_jumps_back_makes_nothing_twice() -> None:
    first = after(MINUTE, minutely())
    again = due(minutely(), cursor=first.cursor, now=NOW - timedelta(hours=1))
    assert (again.make, again.skipped, again.cursor, again.next) == ((), (), first.cursor, first.next)


def test_the_last_instant_of_a_schedule_has_no_next() -> None:
    schedule = RRuleSchedule("DTSTART:20991122T120000\nRRULE:FREQ=DAILY;COUNT=1")
    instant = datetime(2099, 11, 22, 12, tzinfo=UTC)
    found = due(schedule, cursor=NOW, now=instant)
    assert (found.make, found.next, found.cursor) == ((instant,), None, instant)


def all_passes(schedule: Schedule, downtime: timedelta) -> tuple[list[datetime], list[Skipped], int]:
    """What call after call makes and skips until there is no more, and how many calls that took."""
    made: list[datetime] = []
    skipped: list[Skipped] = []
    found = after(downtime, schedule)
    calls = 1
    while True:
        made += found.make
        skipped += found.skipped
        if not found.more:
            return made, skipped, calls
        found = due(schedule, cursor=found.cursor, now=NOW)
        calls += 1


@pytest.mark.parametrize(("catch_up", "made"), [("latest", 1), (3, 3), ("skip", 1), ("all", 10_000)])
def test_a_year_of_minutes_is_dealt_with_in_bounded_calls(catch_up: str | int, made: int) -> None:
    runs, skipped, calls = all_passes(minutely(catch_up=catch_up), timedelta(days=365))
    assert (len(runs), sum(one.count for one in skipped)) == (made, 365 * 1440 - made)
    assert calls <= 15
    assert all(earlier.last < later.first for earlier, later in pairwise(skipped))


def test_three_days_of_minutes_take_milliseconds() -> None:
    schedule = minutely()
    start = time.process_time()
    after(timedelta(days=3), schedule)
    assert time.process_time() - start < 0.2


@settings(max_examples=100, deadline=None)
@given(
    minutes=st.integers(0, 400),
    every=st.integers(1, 50),
    catch_up=st.sampled_from(("latest", "skip", "all", 3)),
    room=st.sampled_from((None, 0, 1, 2)),
    paused=st.booleans(),
)
def test_every_instant_is_made_or_skipped_exactly_once(
    minutes: int, every: int, catch_up: str | int, room: int | None, paused: bool
) -> None:
    schedule = IntervalSchedule(timedelta(minutes=every), catch_up=catch_up)
    cursor = NOW - timedelta(minutes=minutes)
    found = due(schedule, cursor=cursor, now=NOW, room=room, paused=paused)
    expected = []
    for instant in instants_after(schedule, cursor):
        if instant > NOW:
            break
        expected.append(instant)
    skipped = [at for one in found.skipped for at in expected if one.first <= at <= one.last and at not in found.make]
    assert sorted([*found.make, *skipped]) == expected
    assert sum(one.count for one in found.skipped) == len(skipped)
    assert found.cursor == (expected[-1] if expected else cursor)
    assert found.next is not None and found.next > NOW
