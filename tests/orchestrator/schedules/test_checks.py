"""Intervals, zones, slugs and policies: what is taken, and the sentence for what is not."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.errors import InvalidSchedule
from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, upcoming

ALLOWED = "a timedelta (or seconds) from 1 second to 10 years"


def refusal(made: Any, *arguments: Any, **named: Any) -> InvalidSchedule:
    """The error of making a schedule."""
    with pytest.raises(InvalidSchedule) as caught:
        made(*arguments, **named)
    return caught.value


@pytest.mark.parametrize(
    "interval",
    [
        0,
        0.001,
        -5,
        timedelta(0),
        timedelta(milliseconds=999),
        timedelta(days=36_525),
        math.inf,
        math.nan,
        True,
        "5m",
        None,
    ],
)
def test_an_interval_out_of_range_is_told_the_range(interval: object) -> None:
    error = refusal(IntervalSchedule, interval)
    assert error.field == "interval"
    assert f"expected interval to be {ALLOWED}, got " in error.message


def test_seconds_and_fractions_of_them_are_intervals() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert upcoming(IntervalSchedule(1.5), start, 2) == [start + timedelta(seconds=1.5), start + timedelta(seconds=3)]


def test_the_anchor_says_where_the_grid_lies_and_is_no_beginning() -> None:
    anchor = datetime(2030, 1, 1, 0, 2, tzinfo=UTC)
    schedule = IntervalSchedule(timedelta(minutes=5), anchor)
    assert [moment.minute for moment in upcoming(schedule, datetime(2026, 1, 1, tzinfo=UTC), 3)] == [2, 7, 12]


def test_an_anchor_without_a_zone_is_refused() -> None:
    error = refusal(IntervalSchedule, timedelta(days=1), datetime(2026, 1, 1))
    assert error.field == "anchor_date"
    assert "timezone='Europe/Paris'" in str(error.hint)
    assert refusal(IntervalSchedule, 60, "2026-01-01").field == "anchor_date"


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("europe/paris", "did you mean 'Europe/Paris'?"),
        ("New York", "did you mean 'America/New_York'?"),
        ("CET", "did you mean 'Europe/Paris'?"),
        ("EST", "did you mean 'America/New_York'?"),
        ("gmt", "did you mean 'UTC'?"),
        ("+02:00", "an offset knows no summer time"),
        ("UTC+2", "an offset knows no summer time"),
        ("", "leave it out for UTC"),
        ("../etc/passwd", "the names are those of the IANA time zone database"),
    ],
)
def test_an_unknown_zone_is_told_the_nearest(zone: str, hint: str) -> None:
    error = refusal(CronSchedule, "0 9 * * *", timezone=zone)
    assert (error.field, error.exit_code) == ("timezone", 2)
    assert hint in str(error.hint)


@pytest.mark.parametrize("made", [IntervalSchedule, CronSchedule, RRuleSchedule])
def test_a_zone_that_is_no_text_is_refused(made: type) -> None:
    first = {IntervalSchedule: 60, CronSchedule: "0 9 * * *", RRuleSchedule: "FREQ=DAILY"}[made]
    assert refusal(made, first, timezone=2).field == "timezone"


@pytest.mark.parametrize("slug", ["", "A", "a b", "x" * 129, "-a", 5])
def test_a_slug_is_a_name(slug: object) -> None:
    assert refusal(CronSchedule, "0 9 * * *", slug=slug).field == "slug"


@pytest.mark.parametrize("catch_up", ["none", 0, -1, 10_001, True, 2.5, None])
def test_a_catch_up_is_a_word_or_a_number(catch_up: object) -> None:
    assert refusal(CronSchedule, "0 9 * * *", catch_up=catch_up).field == "catch_up"


def test_both_day_fields_are_joined_as_asked() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    either = upcoming(CronSchedule("0 0 13 * fri"), start, 4)
    both = upcoming(CronSchedule("0 0 13 * fri", day_or=False), start, 2)
    assert [moment.day for moment in either] == [2, 9, 13, 16]
    assert [(moment.month, moment.day) for moment in both] == [(2, 13), (3, 13)]
    assert refusal(CronSchedule, "0 0 13 * fri", day_or="no").field == "day_or"
