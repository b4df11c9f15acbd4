"""What happens on the days when the clocks change, per zone: the table users rely on."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule, upcoming
from orchestrator.schedules.checks import notes
from orchestrator.schedules.instants import instants_after

ZONES = ("UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Santiago")
START = datetime(2026, 1, 1, tzinfo=UTC)


def on(day: str, schedule: Schedule) -> list[str]:
    """The wall times, with offset, at which a schedule fires on a day of its zone."""
    where = ZoneInfo(schedule.timezone or "UTC")
    start = datetime.fromisoformat(day).replace(tzinfo=where)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=where)
    instants = instants_after(schedule, start.astimezone(UTC) - timedelta(microseconds=1))
    found = takewhile(lambda instant: instant < end.astimezone(UTC), instants)
    return [instant.astimezone(where).strftime("%H:%M%z") for instant in found]


PARIS, LORD_HOWE = "Europe/Paris", "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("day", "line", "zone", "times"),
    [
        ("2026-03-29", "30 2 * * *", PARIS, ["03:00+0200"]),
        ("2026-03-29", "0,30 2 * * *", PARIS, ["03:00+0200"]),
        ("2026-03-29", "30 2,3 * * *", PARIS, ["03:00+0200", "03:30+0200"]),
        ("2026-10-25", "30 2 * * *", PARIS, ["02:30+0200"]),
        ("2026-03-08", "30 2 * * *", "America/New_York", ["03:00-0400"]),
        ("2026-11-01", "30 1 * * *", "America/New_York", ["01:30-0400"]),
        ("2026-10-04", "15 2 * * *", LORD_HOWE, ["02:30+1100"]),
        ("2026-04-05", "45 1 * * *", LORD_HOWE, ["01:45+1100"]),
        ("2026-04-05", "40 1,2 * * *", LORD_HOWE, ["01:40+1100", "02:40+1030"]),
        ("2026-04-05", "20 */2 * * *", LORD_HOWE, ["00:20+1100", *(f"{hour:02}:20+1030" for hour in range(2, 24, 2))]),
        ("2026-09-06", "0 0 * * *", "America/Santiago", ["01:00-0300"]),
        ("2026-04-04", "30 23 * * *", "America/Santiago", ["23:30-0300"]),
    ],
)
def test_a_time_that_the_clock_skips_or_repeats_happens_once(day: str, line: str, zone: str, times: list[str]) -> None:
    assert on(day, CronSchedule(line, timezone=zone)) == times


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_every_hour_follows_the_clock(day: str, hours: int) -> None:
    assert len(on(day, CronSchedule("0 * * * *", timezone=PARIS))) == hours
    assert len(on(day, CronSchedule("*/30 * * * *", timezone=PARIS))) == 2 * hours
    assert len(on(day, RRuleSchedule("FREQ=HOURLY", timezone=PARIS))) == hours


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("time", ["30 2", "0 0", "30 1", "45 23", "0 12"])
def test_a_daily_time_is_one_run_a_day_all_year(time: str, zone: str) -> None:
    instants = upcoming(CronSchedule(f"{time} * * *", timezone=zone), START, 800)
    days = [instant.astimezone(ZoneInfo(zone)).date() for instant in instants]
    assert days == [days[0] + timedelta(days=number) for number in range(800)]


def test_new_york_at_nine_is_thirteen_utc_in_summer_and_fourteen_in_winter() -> None:
    instants = upcoming(CronSchedule("0 9 15 * *", timezone="America/New_York"), START, 12)
    assert [instant.hour for instant in instants] == [14, 14, *[13] * 8, 14, 14]
    assert all(instant.tzinfo is UTC and instant.day == 15 for instant in instants)


def test_whole_days_keep_their_time_of_day_and_hours_are_elapsed() -> None:
    anchor = datetime(2026, 1, 1, 9)
    daily = IntervalSchedule(timedelta(days=1), anchor, timezone=PARIS)
    assert on("2026-03-28", daily) == ["09:00+0100"]
    assert on("2026-03-30", daily) == ["09:00+0200"]
    six_hours = IntervalSchedule(timedelta(hours=6), anchor, timezone=PARIS)
    assert on("2026-03-29", six_hours) == ["04:00+0200", "10:00+0200", "16:00+0200", "22:00+0200"]


def test_a_rule_at_a_skipped_time_runs_right_after_the_gap() -> None:
    rule = RRuleSchedule("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", timezone=PARIS)
    assert on("2026-03-29", rule) == ["03:00+0200"]
    assert on("2026-10-25", rule) == ["02:30+0200"]


def test_a_note_names_the_days_on_which_the_clock_interferes() -> None:
    found = notes(CronSchedule("30 2 * * *", timezone=PARIS), datetime(2026, 1, 1, tzinfo=UTC))
    assert found == [
        "2026-03-29 02:30 does not exist in Europe/Paris: that run starts at 03:00",
        "2026-10-25 02:30 comes twice in Europe/Paris: it runs once, the first time",
    ]
    assert notes(CronSchedule("30 4 * * *", timezone=PARIS)) == []


schedules = st.one_of(
    st.builds(
        CronSchedule,
        st.sampled_from(("*/20 * * * *", "30 2 * * *", "0 0 * * 1", "15 */3 1-7 * *", "0 1,2,3 * * *", "* 2 * * *")),
        timezone=st.sampled_from(ZONES),
    ),
    st.builds(
        IntervalSchedule,
        st.sampled_from((timedelta(minutes=50), timedelta(days=1), timedelta(days=3), timedelta(hours=7))),
        st.just(datetime(2026, 1, 1, 2, 30)),
        timezone=st.sampled_from(ZONES),
    ),
    st.builds(
        RRuleSchedule,
        st.sampled_from(
            ("FREQ=HOURLY;INTERVAL=2", "FREQ=DAILY;BYHOUR=1,2,3", "FREQ=MINUTELY;INTERVAL=25", "FREQ=WEEKLY")
        ),
        timezone=st.sampled_from(ZONES),
    ),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@settings(max_examples=200, deadline=None)
@given(schedule=schedules, start=moments, skipped=st.integers(1, 40))
def test_the_instants_are_the_same_from_wherever_one_starts(schedule: Schedule, start: datetime, skipped: int) -> None:
    instants = upcoming(schedule, start, 60)
    assert instants[0] > start
    assert all(earlier < later for earlier, later in pairwise(instants))
    middle = instants[skipped - 1]
    assert upcoming(schedule, middle, 60 - skipped) == instants[skipped:]
    assert upcoming(schedule, middle - timedelta(microseconds=1), 1) == [middle]
