"""Schedules as plain values and back, and the slugs that name them within a deployment."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orchestrator.errors import InvalidSchedule
from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule, from_dict, upcoming
from orchestrator.schedules.stored import with_slugs

PARIS = ZoneInfo("Europe/Paris")
SCHEDULES = (
    IntervalSchedule(timedelta(minutes=5)),
    IntervalSchedule(1.25, datetime(2026, 1, 1, tzinfo=UTC), catch_up="all"),
    IntervalSchedule(timedelta(days=1), datetime(2026, 1, 1, 9, tzinfo=PARIS)),
    IntervalSchedule(timedelta(days=2), datetime(2026, 1, 1, 9), timezone="America/New_York"),
    CronSchedule("0 9 15 * *", timezone="America/New_York", slug="monthly"),
    CronSchedule("0 0 13 * 5", day_or=False, catch_up=7),
    RRuleSchedule("DTSTART;TZID=Europe/Paris:20260101T090000\nRRULE:FREQ=WEEKLY;INTERVAL=2"),
)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_a_schedule_comes_back_from_json_with_the_same_instants(schedule: Schedule) -> None:
    stored = json.loads(json.dumps(schedule.to_dict()))
    again = from_dict(stored)
    start = datetime(2026, 3, 20, tzinfo=UTC)
    assert again.to_dict() == schedule.to_dict()
    assert upcoming(again, start, 50) == upcoming(schedule, start, 50)


@pytest.mark.parametrize(
    "stored", [{}, {"kind": "lunar"}, {"kind": "interval"}, {"kind": "cron"}, {"kind": "rrule"}, [], None]
)
def test_what_was_not_written_by_us_is_refused(stored: object) -> None:
    with pytest.raises(InvalidSchedule):
        from_dict(stored)  # type: ignore[arg-type]


def test_reading_back_checks_nothing_again() -> None:
    ended = {"kind": "rrule", "rrule": "FREQ=DAILY;COUNT=1", "timezone": None, "slug": "default", "catch_up": "latest"}
    assert upcoming(from_dict(ended), datetime(2026, 1, 1, tzinfo=UTC), 1) == []


def test_a_lone_schedule_keeps_its_slug_when_it_is_edited() -> None:
    (before,) = with_slugs([CronSchedule("0 9 * * *")])
    (after,) = with_slugs([CronSchedule("0 10 * * *")])
    assert before["slug"] == after["slug"] == "default"


def test_several_schedules_keep_their_slugs_when_they_change_places() -> None:
    nine, ten = CronSchedule("0 9 * * *"), CronSchedule("0 10 * * *")
    named = IntervalSchedule(60, slug="often")
    first = {one["cron"]: one["slug"] for one in with_slugs([nine, ten, named]) if one["kind"] == "cron"}
    second = {one["cron"]: one["slug"] for one in with_slugs([ten, named, nine]) if one["kind"] == "cron"}
    assert first == second
    assert len(set(first.values())) == 2
    assert all(slug.startswith("cron-") for slug in first.values())


def test_two_schedules_that_are_the_same_are_refused() -> None:
    with pytest.raises(InvalidSchedule, match="the same instants"):
        with_slugs([CronSchedule("0 9 * * *"), CronSchedule("0 9 * * *")])
    with pytest.raises(InvalidSchedule, match="the same slug"):
        with_slugs([CronSchedule("0 9 * * *", slug="a"), CronSchedule("0 8 * * *", slug="a")])


def test_schedules_that_say_the_same_are_equal() -> None:
    assert CronSchedule("0 9 * * *") == CronSchedule("0 9 * * *")
    assert CronSchedule("0 9 * * *") != CronSchedule("0 9 * * *", "Europe/Paris")
    assert len({IntervalSchedule(60), IntervalSchedule(60)}) == 1
    nine = datetime(2026, 1, 1, 9, tzinfo=PARIS)
    assert nine == nine.astimezone(UTC) and IntervalSchedule(86400, nine) != IntervalSchedule(
        86400, nine.astimezone(UTC)
    )
    assert repr(CronSchedule("0 9 * * *")) == "CronSchedule(cron='0 9 * * *', day_or=True, catch_up='latest')"
