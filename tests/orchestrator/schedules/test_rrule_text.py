"""Recurrence rules are read strictly: each refusal names the part and what it may hold."""

from datetime import UTC, datetime

import pytest
from dateutil.rrule import WEEKLY, rrule

from orchestrator.errors import InvalidSchedule
from orchestrator.schedules import RRuleSchedule, upcoming
from orchestrator.schedules.checks import notes


def refusal(text: object, timezone: str | None = None) -> InvalidSchedule:
    """The error of a rule."""
    with pytest.raises(InvalidSchedule) as caught:
        RRuleSchedule(text, timezone)
    return caught.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a rule such as FREQ=DAILY"),
        ("daily", "expected parts such as FREQ=DAILY"),
        ("INTERVAL=2", "expected FREQ to be one of YEARLY"),
        ("FREQ=FORTNIGHTLY", "expected FREQ to be one of"),
        ("FREQ=DAILY;BYHOUR=24", "expected BYHOUR to hold 0 to 23, got '24'"),
        ("FREQ=DAILY;BYMONTH=13", "expected BYMONTH to hold 1 to 12"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY to hold 1 to 31 or counted from the end"),
        ("FREQ=DAILY;INTERVAL=0", "expected INTERVAL to be 1 to"),
        ("FREQ=DAILY;COUNT=1000000", "expected COUNT to be 1 to 10000"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20300101", "expected COUNT or UNTIL, got both"),
        ("FREQ=DAILY;UNTIL=tomorrow", "expected UNTIL to be a time such as"),
        ("FREQ=DAILY;UNTIL=20300231", "expected UNTIL to be a time such as"),
        ("FREQ=WEEKLY;BYDAY=2MO", "expected BYDAY without numbers"),
        ("FREQ=MONTHLY;BYDAY=XX", "expected BYDAY to hold MO"),
        ("FREQ=MONTHLY;BYWEEKNO=3", "BYWEEKNO with FREQ=YEARLY only"),
        ("FREQ=DAILY;FREQ=DAILY", "expected FREQ once"),
        ("FREQ=DAILY;BYSETPOS=1", "expected BYSETPOS beside another"),
        ("EXRULE:FREQ=DAILY", "expected lines of DTSTART"),
        ("DTSTART:20260101T000000\nDTSTART:20260101T000000\nRRULE:FREQ=DAILY", "expected one DTSTART"),
        ("FREQ=DAILY" + ";" * 7000, "at most 6500 characters"),
        (5, "expected rrule to be text"),
    ],
)
def test_a_part_that_can_not_be_is_named(text: object, said: str) -> None:
    assert said in refusal(text).message


def test_a_part_with_a_slip_is_told_the_nearest() -> None:
    assert refusal("FREQ=DAILY;BYHOURS=9").hint == "did you mean 'BYHOUR'?"


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYSETPOS=20;BYDAY=MO",
        "DTSTART:20230101T000000\nRRULE:FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29",
        "DTSTART:20260101T010000\nRRULE:FREQ=HOURLY;INTERVAL=2;BYHOUR=8",
    ],
)
def test_a_rule_that_never_fires_is_refused_at_once(text: str) -> None:
    assert "never fires: no day within 50 years fits it" in refusal(text).message


def test_a_rule_that_has_ended_says_when() -> None:
    assert refusal("FREQ=DAILY;COUNT=10").message.endswith("it ended on 2020-01-10")
    assert "ended on 2021-12-31" in refusal("FREQ=DAILY;UNTIL=20211231").message


def test_the_zone_is_that_of_the_argument_or_of_tzid() -> None:
    text = "DTSTART;TZID=America/New_York:20260101T090000\nRRULE:FREQ=MONTHLY;BYMONTHDAY=15"
    assert [moment.hour for moment in upcoming(RRuleSchedule(text), datetime(2026, 6, 1, tzinfo=UTC), 2)] == [13, 13]
    assert refusal(text, "Europe/Paris").field == "timezone"
    in_utc = RRuleSchedule("DTSTART:20260101T080000Z\nRRULE:FREQ=DAILY", "Europe/Paris")
    assert upcoming(in_utc, datetime(2026, 7, 1, tzinfo=UTC), 1)[0].hour == 7


def test_a_rule_object_of_dateutil_is_taken_as_its_text() -> None:
    schedule = RRuleSchedule(rrule(WEEKLY, dtstart=datetime(2026, 1, 5, 9), interval=2), timezone="Europe/Paris")
    assert schedule.rrule == "DTSTART:20260105T090000\nRRULE:FREQ=WEEKLY;INTERVAL=2"


def test_what_is_taken_for_granted_is_noted() -> None:
    assert "counts from 2020-01-01" in notes(RRuleSchedule("FREQ=WEEKLY;INTERVAL=2"))[0]
    assert "UNTIL is a date" in notes(RRuleSchedule("FREQ=DAILY;UNTIL=20991231"))[0]
