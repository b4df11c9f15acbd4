"""Times and durations on the command line."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from orchestrator.cli.moments import last_clock_time, local, moment_of, rfc3339, seconds_of, spoken

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text, seconds", [("90", 90), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2D", 172800)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1e3", "five", "5 m", "٣", "nan", "inf", "1h30", "m", "PT1H"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    assert seconds_of(text) is None


@pytest.mark.parametrize(
    "seconds, text", [(0, "0 s"), (4.4, "4 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (525600, "6 d 2 h")]
)
def test_durations_are_said_in_two_units(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


def test_times_are_printed_in_utc_or_with_their_offset() -> None:
    assert rfc3339(NOON) == "2026-03-01T12:00:00Z"
    assert rfc3339(NOON + timedelta(milliseconds=5)) == "2026-03-01T12:00:00.005Z"
    assert datetime.fromisoformat(local(NOON)) == NOON


def test_a_time_with_an_offset_is_that_time() -> None:
    assert moment_of("2026-03-01T13:00:00+01:00", NOON) == NOON
    assert moment_of("2026-03-01T12:00:00Z", NOON) == NOON
    assert moment_of("tomorrow", NOON) is None


def test_a_time_of_day_is_the_next_one_here() -> None:
    with time_machine.travel(NOON, tick=False):
        here = NOON.astimezone()
        soon, past = here + timedelta(hours=1), here - timedelta(hours=1)
        assert moment_of(soon.strftime("%H:%M"), NOON) == soon
        assert moment_of(past.strftime("%H:%M"), NOON) == past + timedelta(days=1)
    assert moment_of("25:00", NOON) is None


def test_a_time_of_day_that_has_passed_is_the_last_one_here(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 3, 29, 6, tzinfo=UTC)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        here = now.astimezone()
        assert last_clock_time("08:00", here) == now
        # The clocks went forward in between: yesterday evening has another offset.
        assert last_clock_time("22:30", here) == datetime(2026, 3, 28, 21, 30, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert last_clock_time("24:00", here) is None
