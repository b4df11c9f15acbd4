"""Cron lines against cronsim, which follows Debian's cron: the same instants over a year, clock changes included."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.schedules import CronSchedule
from orchestrator.schedules.cron_fields import parse
from orchestrator.schedules.instants import instants_after

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago")
START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=366)
LINES = (
    "0 9 15 * *",
    "30 2 * * *",
    "0 0 * * *",
    "15 1,2,3 * * *",
    "0-59/20 2 * * *",
    "45 23 * * *",
    "30 0 * * *",
    "0 * * * *",
    "*/45 */5 * * *",
    "0 */2 * * *",
    "*/15 1-3 * * *",
    "0 9 * * mon-fri",
    "0 0 */2 * *",
    "0 0 */2 * 1",
    "0 0 1-7 * 1",
    "0 0 1-7 * */2",
    "5 4 * * sun",
    "5 4 * * 7",
    "0 12 31 * *",
    "0 12 29 2 *",
    "0 6 L * *",
    "0 9 * * 2#2",
    "0 9 * * 5L",
    "0 6 * 3,10 *",
    "10,40 1-3 * mar,apr,sep,oct,nov *",
)


def ours(line: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Our instants in a span, in UTC."""
    schedule = CronSchedule(line, timezone=zone)
    return list(takewhile(lambda instant: instant < end, instants_after(schedule, start)))


def theirs(line: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """cronsim's instants in a span, in UTC.

    When a line leaves out the day before, cronsim enters one whose midnight is skipped at a midnight that is not there:
    a line that follows the clock has no such instant.
    """
    found, fields, place = [], parse(line), ZoneInfo(zone)
    for moment in CronSim(line, start.astimezone(place)):
        instant = moment.astimezone(UTC)
        if instant >= end:
            return found
        if not fields.follows_the_clock or instant.astimezone(place).hour in fields.hours:
            found.append(instant)
    return found


# cronsim loses an hour of a line that follows the clock where summer time is half an hour: see the last test instead.
HALF_AN_HOUR = "Australia/Lord_Howe"
PAIRS = [(line, zone) for line in LINES for zone in ZONES if zone != HALF_AN_HOUR or not parse(line).follows_the_clock]


@pytest.mark.parametrize(("line", "zone"), PAIRS)
def test_a_year_of_a_line_is_the_year_of_cron(line: str, zone: str) -> None:
    assert ours(line, zone, START, START + YEAR) == theirs(line, zone, START, START + YEAR)


def field(low: int, high: int, *, star: float = 0.4) -> st.SearchStrategy[str]:
    """A field of a cron line: a star, a step, a list, a range."""
    number = st.integers(low, high)
    ranges = st.tuples(number, number).map(
        lambda pair: f"{min(pair)}-{max(pair)}" if pair[0] != pair[1] else str(pair[0])
    )
    lists = st.lists(st.one_of(number.map(str), ranges), min_size=1, max_size=3).map(",".join)
    steps = st.integers(2, min(20, high)).map(lambda step: f"*/{step}")
    return st.one_of(st.just("*"), lists, steps)


lines = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)).map(" ".join)
clocks = st.tuples(field(0, 59), field(0, 23)).map(" ".join)
changes = st.sampled_from(
    ("2026-03-08", "2026-03-29", "2026-04-04", "2026-09-05", "2026-10-03", "2026-10-25", "2026-11-01")
)
whole_hours = st.sampled_from([zone for zone in ZONES if zone != HALF_AN_HOUR])


@settings(max_examples=150, deadline=None)
@given(line=lines, zone=whole_hours, day=changes)
@example(line="* */2 * * */4", zone="America/Santiago", day="2026-09-05")
def test_any_line_fires_as_cron_does_around_a_change_of_the_clock(line: str, zone: str, day: str) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=2)
    assert ours(line, zone, start, start + timedelta(days=5)) == theirs(line, zone, start, start + timedelta(days=5))


def by_looking_at_the_clock(line: str, zone: str, start: datetime, minutes: int) -> list[datetime]:
    """Every minute whose wall clock fits: what it means to follow the clock as it runs."""
    fields = parse(line)
    found = []
    for number in range(1, minutes):
        instant = start + timedelta(minutes=number)
        shown = instant.astimezone(ZoneInfo(zone))
        if shown.minute in fields.minutes and shown.hour in fields.hours:
            found.append(instant)
    return found


@settings(max_examples=60, deadline=None)
@given(clock=clocks, zone=st.sampled_from(ZONES), day=changes)
def test_a_line_that_follows_the_clock_fires_whenever_the_clock_shows_its_time(clock: str, zone: str, day: str) -> None:
    line = f"*/7 {clock.split()[1]} * * *" if "*" not in clock else f"{clock} * * *"
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=12)
    if parse(line).follows_the_clock:
        expected = by_looking_at_the_clock(line, zone, start, 2160)
        assert ours(line, zone, start, start + timedelta(minutes=2160)) == expected
