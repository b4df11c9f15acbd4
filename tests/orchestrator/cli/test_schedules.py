"""Every kind of bad or surprising schedule through the real command: its sentence, its exit code, and what stands."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.orchestrator.cli.conftest import Headgate

FLOW = """from datetime import UTC, datetime, timedelta
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec
from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
@flow
def main(): ...
"""
GOOD = FLOW + "DeploymentSpec(flow=main, name='good', schedule=CronSchedule('0 9 * * *', timezone='Europe/Paris'))\n"
FIVE = "cron: expected 5 fields: minute hour day month weekday, got "
NO_SECONDS = r"no seconds and no year: if the first field was for seconds write '{}', if the last one was '{}'"
LENGTH = r"expected interval to be a timedelta \(or seconds\) from 1 second to 10 years, got "
NO_ZONE = "timezone: expected an IANA time zone such as Europe/Paris, got "
EVERY_SECOND = "*(IntervalSchedule(1, datetime(2026, 1, 1, 0, 0, 0, n, UTC)) for n in range(101))"


def cron(line: str) -> str:
    return f"schedule=CronSchedule({line!r})"


def zoned(zone: str) -> str:
    return f"schedule=CronSchedule('0 9 * * *', timezone={zone!r})"


def interval(text: str) -> str:
    return f"schedule=IntervalSchedule({text})"


def rule(text: str) -> str:
    return f"schedule=RRuleSchedule({text!r})"


FIELDS = {cron(line): f"{FIVE}'" for line in ("", "0 9 * *", "0 9 * * * * * *", "every day", "* * * * *; rm -rf /")}
SECONDS = {
    cron("0 0 9 * * *"): FIVE + ".*" + NO_SECONDS.format(r"0 9 \* \* \*", r"0 0 9 \* \*"),
    cron("0 0 9 * * ? 2026"): FIVE + ".*no seconds and no year.*IntervalSchedule",
}
RANGES = {
    cron("60 * * * *"): "cron: expected the minute field to hold 0-59, got '60'",
    cron("*/0 * * * *"): r"cron: expected the step of the minute field to be 1 to 60, got '\*/0'",
    cron("*/-1 * * * *"): r"cron: expected the step of the minute field to be 1 to 60, got '\*/-1'",
    cron("0 0 32 * *"): "cron: expected the day field to hold 1-31, got '32'",
    cron("0 0 * * 8"): "cron: expected the weekday field to hold 0-7 or sun-sat, got '8'",
    cron("0 0 * * monday"): ".*got 'monday'; names have three letters: write mon",
    cron("*/1000000 * * * *"): "cron: step larger than the field: the minute field has 60 values.*IntervalSchedule",
}
NEVER = {
    cron("0 0 30 2 *"): r"cron: '0 0 30 2 \*' never fires: no day within 50 years fits it; look at day, month",
    cron("0 0 31 2,4,6,9,11 *"): "cron: .* never fires",
    rule("FREQ=DAILY;UNTIL=20210101"): "rrule: .* never fires again: it ended on 2021-01-01; give it a later end",
    rule("DTSTART:20300101T000000\nRRULE:FREQ=DAILY;UNTIL=20210101T000000"): (
        "rrule: .* never fires: it would begin on 2030-01-01, after its end on 2021-01-01; put UNTIL after DTSTART"
    ),
}
FOREIGN = {
    cron("R * * * *"): "cron: .*R picks a value by itself; write the value itself: the instants .* must be the same",
    cron("H * * * *"): "cron: .*H picks a value by itself; write the value itself",
    cron("@reboot"): "cron: expected one of @hourly, @daily, .*got '@reboot'; a schedule has to name times",
    cron("@every 5m"): r"cron: .*got '@every 5m'; use IntervalSchedule\(interval=timedelta\(minutes=5\)\)",
    cron("0 9 ? * mon"): r"cron: the day field is '\?'; \? is Quartz; write \* for any",
}
ZONES = {
    zoned("Europe/Berln"): NO_ZONE + "'Europe/Berln'; did you mean 'Europe/Berlin'",
    zoned("CET"): NO_ZONE + "'CET'; did you mean 'Europe/Paris'",
    zoned("+02:00"): NO_ZONE + r"'\+02:00'; an offset knows no summer time: name a place",
    zoned(""): NO_ZONE + "''; leave it out for UTC",
    zoned("Mars/Phobos"): NO_ZONE + "'Mars/Phobos'; the names are those of the IANA time zone database",
}
LENGTHS = {interval(text): LENGTH + re.escape(text) for text in ("0", "0.001", "-5", "0.5")}
LENGTHS |= {
    interval("timedelta(days=36525)"): LENGTH + r"datetime\.timedelta\(days=36525\)",
    interval("'5m'"): LENGTH + r"'5m'; write timedelta\(minutes=5\) for five minutes",
    f"schedules=[{EVERY_SECOND}]": "expected at most 100 schedules, got 101",
}
PERIODS = {
    interval(
        "60, anchor_date=datetime(2026, 1, 1)"
    ): "expected anchor_date to have a time zone.*timezone='Europe/Paris'",
    interval("60, start=datetime(2026, 1, 1)"): "IntervalSchedule has no argument 'start'; .*DTSTART and UNTIL",
    interval("60, anchr_date=None"): ".*no argument 'anchr_date'; did you mean 'anchor_date'",
    "schedules=[CronSchedule('@daily'), CronSchedule('@daily')]": "two schedules have the same instants",
}
KINDS = {
    "fields": FIELDS,
    "seconds": SECONDS,
    "ranges": RANGES,
    "never fires": NEVER,
    "other programs": FOREIGN,
    "zones": ZONES,
    "lengths": LENGTHS,
    "periods": PERIODS,
}


def refuse(headgate: Headgate, arguments: str, said: str) -> None:
    """Deploy a file beside a good deployment; it is refused at its own line."""
    text = GOOD + f"DeploymentSpec(flow=main, name='bad', {arguments})\n"
    answer = headgate("deployment", "create", headgate.write("bad.py", text), code=2)
    assert re.match(rf"Error: \S+bad\.py:8: {said}", answer.err, re.DOTALL), answer.err
    assert answer.out == "" and answer.err.count("\n") == 1


def test_a_schedule_that_can_not_be_meant_is_refused_with_its_line(headgate: Headgate, contents: Any) -> None:
    before = contents()
    for table in KINDS.values():
        refuse(headgate, *next(iter(table.items())))
    assert contents() == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_bad_schedule_is_told_what_is_allowed_and_changes_nothing(
    headgate: Headgate, contents: Any, kind: str
) -> None:
    headgate("deployment", "create", headgate.write("good.py", GOOD))
    before = contents()
    for arguments, said in KINDS[kind].items():
        refuse(headgate, arguments, said)
    assert contents() == before


def test_programs_are_told_the_field_and_the_place_of_a_bad_schedule(headgate: Headgate) -> None:
    text = FLOW + f"DeploymentSpec(flow=main, name='bad', {cron('60 * * * *')})\n"
    error = headgate("deployment", "create", headgate.write("bad.py", text), "-o", "json", code=2).error()
    assert (error["code"], error["field"], error["line"]) == ("schedule", "cron", 7)


SURPRISING = {
    "uneven": (cron("*/45 * * * *"), r"the minute field \*/45 starts anew after each round: it means 0, 45; Interval"),
    "wrapped": (cron("5-1 * * * *"), "the minute range 5-1 runs over the end of the field: it means 0,1,5-59"),
    "rare": (cron("0 0 29 2 1#5"), r"next: 2044-02-29, in [1-9]\d{3} days"),
    "spring": (
        "schedule=CronSchedule('30 2 * * *', timezone='Europe/Paris')",
        r"20\d\d-03-\d\d 02:30 does not exist in Europe/Paris: that run starts at 03:00",
    ),
    "autumn": (
        "schedule=CronSchedule('30 2 * * *', timezone='Europe/Paris')",
        r"20\d\d-10-\d\d 02:30 comes twice in Europe/Paris: it runs once, the first time",
    ),
    "floating": (
        rule("DTSTART:20260301T090000\nRRULE:FREQ=DAILY"),
        "DTSTART names no zone: it is read as UTC, unless the schedule gets timezone='Europe/Paris'",
    ),
}


def test_a_schedule_that_may_surprise_is_taken_with_a_warning(headgate: Headgate) -> None:
    specs = [f"DeploymentSpec(flow=main, name='{name}', {made})\n" for name, (made, _) in SURPRISING.items()]
    answer = headgate("deployment", "create", headgate.write("flows.py", FLOW + "".join(specs)))
    for name, (_, said) in SURPRISING.items():
        assert re.search(f"^Warning: {name}: {said}", answer.err, re.MULTILINE), (name, answer.err)
        assert f"created main/{name}" in answer.out
    assert "next          2044-02-29T00:00:00Z" in answer.out


def test_a_daily_time_runs_once_on_both_days_when_the_clock_changes_and_half_hours_follow_it(
    headgate: Headgate,
) -> None:
    zone = "timezone='Europe/Paris'"
    text = f"DeploymentSpec(flow=main, name='daily', schedule=CronSchedule('30 2 * * *', {zone}))\n"
    text += f"DeploymentSpec(flow=main, name='often', schedule=CronSchedule('*/30 1-3 * 3,10 0', {zone}))\n"
    headgate("deployment", "create", headgate.write("flows.py", FLOW + text))
    daily = headgate.json("deployment", "preview", "daily", "--hours", "8784")
    days = [run["local_start_time"][:10] for run in daily]
    assert len(set(days)) == len(days) >= 364
    odd = [run for run in daily if run["note"]]
    assert sorted(run["local_start_time"][5:7] for run in odd) == ["03", "10"]
    often = headgate.json("deployment", "preview", "often", "--hours", "8784")
    for run, count in zip(sorted(odd, key=lambda run: run["local_start_time"][5:7]), (4, 8), strict=True):
        assert sum(one["local_start_time"][:10] == run["local_start_time"][:10] for one in often) == count
