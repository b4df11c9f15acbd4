"""What a schedule says in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("*/45 * * * *", "at minute 0 and 45 of every hour"),
        ("0 * * * *", "every hour"),
        ("15 * * * *", "every hour at minute 15"),
        ("0 */2 * * *", "every 2 hours"),
        ("0 9 * * *", "at 09:00 every day"),
        ("0,30 9,17 * * *", "at 09:00, 09:30, 17:00 and 17:30 every day"),
        ("30 8-17 * * 1-5", "at minute 30 of hours 8 to 17 on Monday to Friday"),
        ("0 9 15 * *", "at 09:00 on day 15 of the month"),
        ("0 0 1 1 *", "at 00:00 on day 1 of the month in January"),
        ("0 0 L * *", "at 00:00 on the last day of the month"),
        ("0 9 15W * *", "at 09:00 on the working day nearest to day 15 of the month"),
        ("0 9 * * 5L", "at 09:00 on the last Friday"),
        ("0 9 * * 2#2,4#1", "at 09:00 on the 2nd Tuesday and the 1st Thursday"),
        ("0 0 1-7 * mon", "at 00:00 on days 1 to 7 of the month or on Monday"),
        ("0 0 */2 * mon", "at 00:00 on every 2nd day of the month if it is Monday"),
        ("*/10 8 * * *", "every 10 minutes of hour 8"),
    ],
)
def test_a_cron_line_in_words(line: str, text: str) -> None:
    assert str(CronSchedule(line, "Europe/Paris")) == f"{text} (Europe/Paris)"


PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        (IntervalSchedule(timedelta(minutes=5)), "every 5 minutes"),
        (IntervalSchedule(90), "every 90 seconds"),
        (IntervalSchedule(3600), "every hour"),
        (
            IntervalSchedule(timedelta(days=1), datetime(2026, 1, 1, 9, tzinfo=PARIS)),
            "every day at 09:00 (Europe/Paris)",
        ),
        (
            IntervalSchedule(timedelta(hours=36), datetime(2026, 1, 1, 9, tzinfo=UTC)),
            "every 36 hours counted from 2026-01-01 09:00 (UTC)",
        ),
        (RRuleSchedule("FREQ=DAILY;BYHOUR=9"), "every day at 09:00 (UTC)"),
        (
            RRuleSchedule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;BYHOUR=9;BYMINUTE=30", "Europe/Paris"),
            "every 2 weeks on Monday and Friday at 09:30 (Europe/Paris)",
        ),
        (RRuleSchedule("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18"), "every month on the last Friday at 18:00 (UTC)"),
        (RRuleSchedule("FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO,TU"), "FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO,TU (UTC)"),
    ],
)
def test_an_interval_or_rule_in_words(schedule: Schedule, text: str) -> None:
    assert str(schedule) == text
