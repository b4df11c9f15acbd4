"""Cron lines are read strictly: what is taken, what it means, and the sentence for everything else."""

import pytest

from orchestrator.errors import InvalidSchedule
from orchestrator.schedules import CronSchedule
from orchestrator.schedules.checks import notes
from orchestrator.schedules.cron_fields import parse


def refusal(line: object) -> InvalidSchedule:
    """The error of a line."""
    with pytest.raises(InvalidSchedule) as caught:
        CronSchedule(line)  # type: ignore[arg-type]
    assert caught.value.field == "cron"
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    "line", ["", "   ", "* * * *", "a b c d e f g h", "every day", "* * * * *; rm -rf /", "*\n* * * *", "* " * 300]
)
def test_what_has_not_five_fields_is_told_which_five(line: str) -> None:
    error = refusal(line)
    assert "5 fields: minute hour day month weekday" in error.message


@pytest.mark.parametrize("line", ["0 * * * * *", "*/10 * * * * *", "0 0 12 * * ? 2030"])
def test_six_or_seven_fields_are_told_that_there_are_no_seconds(line: str) -> None:
    assert "no seconds and no year" in str(refusal(line).hint)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("60 * * * *", "minute field to hold 0-59, got '60'"),
        ("* 24 * * *", "hour field to hold 0-23"),
        ("0 0 0 * *", "day field to hold 1-31"),
        ("0 0 32 * *", "day field to hold 1-31"),
        ("0 0 * 13 *", "month field to hold 1-12 or jan-dec"),
        ("0 0 * * 8", "weekday field to hold 0-7 or sun-sat"),
        ("0 0 * * mun", "weekday field to hold"),
        ("*/0 * * * *", "step of the minute field to be 1 to 60"),
        ("*/-1 * * * *", "step of the minute field"),
        ("-5 * * * *", "minute field to hold"),
        ("1,,2 * * * *", "minute field to hold"),
        ("*/1000000 * * * *", "step larger than the field"),
        ("0 */25 * * *", "step larger than the field: the hour field has 24 values"),
        ("٣ * * * *", "5 fields"),
        ("*,5 * * * *", "* in a list"),
    ],
)
def test_a_value_out_of_range_is_told_field_and_range(line: str, said: str) -> None:
    assert said in refusal(line).message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("R * * * *", "picks a value by itself"),
        ("H H * * *", "picks a value by itself"),
        ("H(0-29) * * * *", "picks a value by itself"),
        ("0 0 ? * *", "? is Quartz"),
        ("@reboot", "expected one of @hourly"),
        ("@every 5m", "expected one of @hourly"),
        ("0 0 15W,16 * *", "hold W with one day"),
        ("0 0 * * 1,2#2", "mixes plain weekdays"),
        ("0 0 * * 1#6", "weekday field to hold"),
        ("0 0 * * L", "weekday field to hold"),
        (["0 0 * * *"], "expected text such as"),
        (None, "expected text such as"),
    ],
)
def test_forms_of_other_programs_are_told_what_to_write(line: object, said: str) -> None:
    assert said in refusal(line).message


def test_an_alias_with_a_slip_is_told_the_nearest() -> None:
    assert refusal("@dayly").hint == "did you mean '@daily'?"
    assert "IntervalSchedule" in str(refusal("@every 5m").hint)


@pytest.mark.parametrize("line", ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *"])
def test_a_line_that_never_fires_is_refused_when_it_is_made(line: str) -> None:
    assert "never fires" in refusal(line).message


def test_a_range_over_the_end_is_taken_and_shown() -> None:
    assert parse("5-1 * * * *").minutes == (0, 1, *range(5, 60))
    assert "means 0,1,5-59" in notes(CronSchedule("5-1 * * * *"))[0]
    assert parse("0 0 * * fri-mon").weekday == "0,1,5,6"


def test_an_uneven_step_is_taken_with_a_note() -> None:
    assert parse("*/45 * * * *").minutes == (0, 45)
    assert "starts anew after each round: it means 0, 45" in notes(CronSchedule("*/45 * * * *"))[0]
    assert notes(CronSchedule("*/15 * * * *")) == []


def test_a_line_that_is_silent_for_more_than_a_year_says_when_it_comes() -> None:
    assert any(note.startswith("next: 2044-02-29, in ") for note in notes(CronSchedule("0 0 29 2 1#5", "Europe/Paris")))


@pytest.mark.parametrize(
    ("alias", "line"),
    [("@hourly", "0 * * * *"), ("@Daily", "0 0 * * *"), ("@weekly", "0 0 * * 0"), ("@yearly", "0 0 1 1 *")],
)
def test_an_alias_is_its_line(alias: str, line: str) -> None:
    assert parse(alias) == parse(line)


def test_a_range_of_one_value_is_that_value_and_not_the_whole_field() -> None:
    assert parse("3-3 * 5-5 jan-jan mon-mon").texts[2] == "5-5"
    assert parse("3-3 * 5-5 jan-jan mon-mon").calendar == "0 0 5 1 1"


def test_seven_is_sunday() -> None:
    assert parse("0 0 * * 5-7").weekday == parse("0 0 * * fri,sat,sun").weekday == "0,5,6"
    assert parse("0 0 * * 7L").weekday == "l0"
