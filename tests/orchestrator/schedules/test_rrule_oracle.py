"""Recurrence rules against dateutil, which walks from the start: the same wall times, at once instead."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.schedules import RRuleSchedule, upcoming
from orchestrator.schedules.rrule import RecurrenceInstants
from orchestrator.schedules.rrule_text import parse

RULES = (
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=10;BYHOUR=9,17;BYMINUTE=0,30",
    "FREQ=WEEKLY",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,SU",
    "FREQ=WEEKLY;INTERVAL=3;WKST=SU;BYDAY=SU,TU",
    "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYMONTHDAY=-1,15",
    "FREQ=MONTHLY;BYDAY=2TU,-1FR",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=MONTHLY;INTERVAL=5;BYDAY=FR;BYMONTHDAY=13",
    "FREQ=YEARLY",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU",
    "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=YEARLY;BYYEARDAY=1,100,-1",
    "FREQ=YEARLY;BYWEEKNO=1,20,53;BYDAY=MO",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
    "FREQ=HOURLY;INTERVAL=7",
    "FREQ=HOURLY;BYHOUR=8,9;BYMINUTE=15,45;BYDAY=MO",
    "FREQ=HOURLY;BYMINUTE=0,20,40;BYSETPOS=2",
    "FREQ=MINUTELY;INTERVAL=25",
    "FREQ=MINUTELY;BYHOUR=9;BYMINUTE=0,7,59",
    "FREQ=MINUTELY;INTERVAL=90;BYDAY=SA,SU",
    "FREQ=SECONDLY;INTERVAL=45;BYHOUR=3",
    "FREQ=SECONDLY;BYMINUTE=30;BYSECOND=0,30",
)
START = "20250101T083015"


def walls(text: str, count: int, after: datetime) -> list[datetime]:
    """Our wall times of a rule in UTC, where wall times are instants."""
    instants = RecurrenceInstants(parse(text), UTC).walls(after)
    return [next(instants) for _ in range(count)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("after", ["20250101T083015", "20250114T120000", "20250228T235959"])
def test_a_rule_has_the_times_of_dateutil(rule: str, after: str) -> None:
    text = f"DTSTART:{START}\nRRULE:{rule}"
    moment = datetime.fromisoformat(after)
    assert walls(text, 25, moment) == list(rrulestr(text).xafter(moment, count=25, inc=True))


numbers = st.integers
parts = st.fixed_dictionaries(
    {
        "FREQ": st.sampled_from(("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")),
        "INTERVAL": numbers(1, 6),
    },
    optional={
        "BYMONTH": numbers(1, 12),
        "BYMONTHDAY": st.sampled_from((1, 15, 28, -1, -7)),
        "BYDAY": st.sampled_from(("MO", "TU,TH", "SA,SU")),
        "BYHOUR": numbers(0, 23),
        "BYMINUTE": numbers(0, 59),
    },
)


@settings(max_examples=60, deadline=None)
@given(parts=parts, days=st.integers(0, 60))
def test_any_rule_has_the_times_of_dateutil(parts: dict[str, object], days: int) -> None:
    text = f"DTSTART:{START}\nRRULE:" + ";".join(f"{name}={value}" for name, value in parts.items())
    after = datetime.fromisoformat(START) + timedelta(days=days)
    until = after + timedelta(days=60 if parts["FREQ"] in ("HOURLY", "MINUTELY") else 700)
    try:
        expected = rrulestr(f"{text};UNTIL={until:%Y%m%dT%H%M%S}").between(after, until, inc=True)[:20]
    except ValueError:  # dateutil's word for a rule that can never come true
        expected = []
    found = []
    for moment in RecurrenceInstants(parse(text), UTC).walls(after):
        if moment > until or len(found) == 20:
            break
        found.append(moment)
    assert found == expected


@pytest.mark.parametrize("rule", ["FREQ=MINUTELY", "FREQ=SECONDLY", "FREQ=HOURLY;BYMINUTE=0,30"])
def test_a_rule_of_2020_answers_at_once(rule: str) -> None:
    schedule = RRuleSchedule(f"DTSTART:20200101T000000\nRRULE:{rule}", timezone="Europe/Paris")
    start = time.process_time()
    assert len(upcoming(schedule, datetime(2031, 5, 5, 5, 5, tzinfo=UTC), 10)) == 10
    assert time.process_time() - start < 0.1


def test_count_is_counted_from_the_start_and_until_is_inclusive() -> None:
    after = datetime(2025, 1, 1, tzinfo=UTC)
    counted = RRuleSchedule("DTSTART:20990105T090000\nRRULE:FREQ=WEEKLY;COUNT=3")
    assert [moment.day for moment in upcoming(counted, after, 10)] == [5, 12, 19]
    assert upcoming(counted, datetime(2099, 1, 12, 9, tzinfo=UTC), 10) == [datetime(2099, 1, 19, 9, tzinfo=UTC)]
    until = RRuleSchedule("DTSTART:20990105T090000\nRRULE:FREQ=DAILY;UNTIL=20990107T090000Z")
    assert [moment.day for moment in upcoming(until, after, 10)] == [5, 6, 7]


def test_several_rules_and_dates_make_one_sequence() -> None:
    text = (
        "DTSTART:20990101T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO\nRRULE:FREQ=MONTHLY;BYMONTHDAY=5\n"
        "RDATE:20990103T120000\nEXDATE:20990112T090000"
    )
    instants = upcoming(RRuleSchedule(text), datetime(2025, 1, 1, tzinfo=UTC), 5)
    expected = rrulestr(text)[:5]
    assert [instant.replace(tzinfo=None) for instant in instants] == expected
