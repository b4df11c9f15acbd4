"""Is a schedule sound? Raised is what can not be meant, noted what may surprise.

Checked when a schedule is made outside a flow's process, and once more when it is deployed.
"""

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Any

from orchestrator.errors import InvalidSchedule, did_you_mean, expected, shown
from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule, cron_fields, rrule_text
from orchestrator.schedules.instants import instants_of, next_instant, zone_name
from orchestrator.schedules.rrule import RecurrenceInstants, last_instant
from orchestrator.schedules.wall_clock import DAY, clock_changes, is_repeated, is_skipped, once, wall, zone

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=3660)
YEAR = timedelta(days=366)
MOST_CAUGHT_UP = 10_000
NOTED_CHANGES = 2
PERIOD = "a schedule begins when it is deployed; for a period use RRuleSchedule with DTSTART and UNTIL"
LENGTH = "use interval=timedelta(…)"
# What other programs call it, and what to write here.
INSTEAD = {
    **dict.fromkeys(("start", "start_date", "start_time", "end", "end_date", "end_time", "until"), PERIOD),
    **dict.fromkeys(("weeks", "days", "hours", "minutes", "seconds", "every"), LENGTH),
    **dict.fromkeys(("tz", "tzinfo", "zone"), "use timezone='Europe/Paris'"),
    "expression": "use cron='0 9 * * *'",
    "rule": "use rrule='FREQ=DAILY;BYHOUR=9'",
}
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}", re.ASCII)


def check(schedule: Schedule) -> None:
    """Raise InvalidSchedule for what can not be meant, a schedule that will never fire included."""
    check_policy(schedule)
    check_types(schedule)
    instants_of(schedule)
    if next_instant(schedule, datetime.now(UTC)) is None:
        raise never_fires(schedule)


def notes(schedule: Schedule, now: datetime | None = None) -> list[str]:
    """What may surprise about a sound schedule, one sentence each."""
    now = now or datetime.now(UTC)
    found: list[str] = []
    if isinstance(schedule, CronSchedule):
        found += cron_fields.parse(schedule.cron).notes
    if isinstance(schedule, RRuleSchedule):
        found += rrule_notes(schedule)
    first = next_instant(schedule, now)
    if first is not None and first - now > YEAR:
        day = wall(first, zone(zone_name(schedule) or "UTC")).date()
        found.append(f"next: {day.isoformat()}, in {(first - now).days} days")
    return found + clock_notes(schedule, now)


def check_unknown(schedule: Schedule, unknown: Iterable[str]) -> None:
    """Arguments that there are not, in the words of other programs or with a slip."""
    for name in unknown:
        kind = type(schedule).__name__
        known = tuple(schedule.facts())
        hint = INSTEAD.get(name) or did_you_mean(name, known) or f"arguments are {', '.join(known)}"
        raise InvalidSchedule(f"{kind} has no argument {name!r}", field=name, hint=hint)


def check_policy(schedule: Schedule) -> None:
    """Slug and catch-up."""
    slug, catch_up = schedule.slug, schedule.catch_up
    if slug is not None and (not isinstance(slug, str) or not SLUG.fullmatch(slug)):
        allowed = "1 to 128 of a-z 0-9 . _ - that begin with a letter or digit"
        raise InvalidSchedule(expected("slug", allowed, slug), field="slug")
    if catch_up in ("latest", "skip", "all") and isinstance(catch_up, str):
        return
    if isinstance(catch_up, bool) or not isinstance(catch_up, int) or not 1 <= catch_up <= MOST_CAUGHT_UP:
        allowed = f'"latest", "skip", "all" or a number from 1 to {MOST_CAUGHT_UP}'
        raise InvalidSchedule(expected("catch_up", allowed, catch_up), field="catch_up")


def check_types(schedule: Schedule) -> None:
    """The arguments themselves."""
    timezone = schedule.timezone
    if timezone is not None and not isinstance(timezone, str):
        raise InvalidSchedule(expected("timezone", "text such as 'Europe/Paris'", timezone), field="timezone")
    if timezone is not None:
        zone(timezone)
    if isinstance(schedule, IntervalSchedule):
        check_interval(schedule.interval)
        check_anchor(schedule.anchor_date, timezone)
    if isinstance(schedule, CronSchedule):
        cron_fields.parse(schedule.cron)
        if not isinstance(schedule.day_or, bool):
            raise InvalidSchedule(expected("day_or", "True or False", schedule.day_or), field="day_or")
    if isinstance(schedule, RRuleSchedule) and not isinstance(schedule.rrule, str):
        raise InvalidSchedule(expected("rrule", "text such as 'FREQ=DAILY;BYHOUR=9'", schedule.rrule), field="rrule")


def check_interval(interval: Any) -> None:
    """A length between a second and ten years."""
    allowed = "a timedelta (or seconds) from 1 second to 10 years"
    if isinstance(interval, int | float) and not isinstance(interval, bool) and math.isfinite(interval):
        fits = SHORTEST.total_seconds() <= interval <= LONGEST.total_seconds()
    else:
        fits = isinstance(interval, timedelta) and SHORTEST <= interval <= LONGEST
    if not fits:
        hint = "write timedelta(minutes=5) for five minutes" if isinstance(interval, str) else None
        raise InvalidSchedule(expected("interval", allowed, interval), field="interval", hint=hint)


def check_anchor(anchor: Any, timezone: str | None) -> None:
    """A datetime that says in which zone it is, unless `timezone` does."""
    if anchor is None:
        return
    if not isinstance(anchor, datetime):
        raise InvalidSchedule(expected("anchor_date", "a datetime", anchor), field="anchor_date")
    if anchor.tzinfo is None and timezone is None:
        raise InvalidSchedule(
            f"expected anchor_date to have a time zone, got {shown(anchor)}",
            field="anchor_date",
            hint="add timezone='Europe/Paris' to the schedule, or tzinfo=timezone.utc to the datetime",
        )


def main_field(schedule: Schedule) -> str:
    """The argument that says when."""
    return {"cron": "cron", "rrule": "rrule"}.get(schedule.kind, "interval")


def never_fires(schedule: Schedule) -> InvalidSchedule:
    """The error of a schedule without a next instant."""
    field = main_field(schedule)
    said = shown(schedule.facts()[field])
    rules = instants_of(schedule)
    ended = last_instant(rules) if isinstance(rules, RecurrenceInstants) else None
    begun = rrule_text.parse(schedule.rrule).start if isinstance(schedule, RRuleSchedule) else None
    if ended is None:
        hint = "look at day, month and weekday together"
        return InvalidSchedule(f"{said} never fires: no day within 50 years fits it", field=field, hint=hint)
    if begun is not None and begun.at.date() > ended.date():
        text = f"{said} never fires: it would begin on {begun.at.date()}, after its end on {ended.date()}"
        return InvalidSchedule(text, field=field, hint="put UNTIL after DTSTART")
    hint = "give it a later end, or take the schedule out"
    return InvalidSchedule(f"{said} never fires again: it ended on {ended.date()}", field=field, hint=hint)


def rrule_notes(schedule: RRuleSchedule) -> list[str]:
    """What a rule takes for granted."""
    given = rrule_text.parse(schedule.rrule)
    found = []
    if given.start is not None and not (given.start.is_utc or given.zone or schedule.timezone):
        found.append("DTSTART names no zone: it is read as UTC, unless the schedule gets timezone='Europe/Paris'")
    if given.start is None and any(rule.count or rule.interval > 1 for rule in given.rules):
        found.append("the rule has no DTSTART: it counts from 2020-01-01 00:00 in its zone")
    if any(rule.until is not None and rule.until.is_date for rule in given.rules):
        found.append("UNTIL is a date: the instants of that day still happen")
    return found


def clock_notes(schedule: Schedule, now: datetime) -> list[str]:
    """What happens in the coming year to named times that the clock skips or shows twice."""
    return [note for _, note in islice(clock_surprises(schedule, now, now + YEAR), NOTED_CHANGES)]


def clock_surprises(schedule: Schedule, start: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    """The instants between two whose named time the clock skips or shows twice, and what happens to each, in order."""
    rules: Any = instants_of(schedule)
    if follows_the_clock(rules) or not counts_on_walls(rules):
        return
    where = zone(zone_name(schedule) or "UTC")
    for change in clock_changes(where, start - DAY, (end - start).days + 2):
        midnight = wall(change - timedelta(seconds=1), where).replace(hour=0, minute=0, second=0)
        for at in islice(rules.walls(midnight), 200):
            if at >= midnight + 2 * DAY:
                break
            note = surprise(at, where)
            if note and start <= once(at, where) <= end:
                yield once(at, where), note


def surprise(at: datetime, where: tzinfo) -> str | None:
    """What happens to a time that the clock of a zone skips or shows twice."""
    if is_skipped(at, where):
        return f"{at:%Y-%m-%d %H:%M} does not exist in {where}: that run starts at {wall(once(at, where), where):%H:%M}"
    if is_repeated(at, where):
        return f"{at:%Y-%m-%d %H:%M} comes twice in {where}: it runs once, the first time"
    return None


def follows_the_clock(rules: Any) -> bool:
    """Whether a schedule takes hours and minutes as they come; gap and fold need no rule then."""
    return bool(getattr(getattr(rules, "fields", rules), "follows_the_clock", False))


def counts_on_walls(rules: Any) -> bool:
    """Whether a schedule names times of the clock; an interval below a day counts elapsed time."""
    return bool(getattr(rules, "counts_days", True))
