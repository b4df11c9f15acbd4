"""When a schedule fires: the one place that turns each kind into its instants, in UTC, strictly increasing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Protocol

from orchestrator.errors import InvalidSchedule
from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule, cron_fields, rrule_text
from orchestrator.schedules.cron import CronInstants
from orchestrator.schedules.interval import IntervalInstants
from orchestrator.schedules.rrule import RecurrenceInstants
from orchestrator.schedules.wall_clock import zone

DEFAULT_ANCHOR = datetime(2020, 1, 1)


class Instants(Protocol):
    """What every kind of schedule comes down to."""

    def after(self, instant: datetime) -> Iterator[datetime]:
        """The instants later than this one, in order."""
        ...


def instants_after(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """The instants of a schedule later than an aware time, the same ones from wherever one starts."""
    return instants_of(schedule).after(after.astimezone(UTC))


def upcoming(schedule: Schedule, after: datetime, n: int) -> list[datetime]:
    """The next n instants later than `after`, in UTC; fewer when the schedule ends."""
    return list(islice(instants_after(schedule, after), n))


def next_instant(schedule: Schedule, after: datetime) -> datetime | None:
    """The first instant later than `after`; None when the schedule has ended."""
    return next(instants_after(schedule, after), None)


@lru_cache(maxsize=4096)
def instants_of(schedule: Schedule) -> Instants:
    """The machinery of a schedule, made once; raises InvalidSchedule."""
    if isinstance(schedule, IntervalSchedule):
        return of_interval(schedule)
    if isinstance(schedule, CronSchedule):
        return CronInstants(cron_fields.parse(schedule.cron), zone(schedule.timezone or "UTC"), schedule.day_or)
    if isinstance(schedule, RRuleSchedule):
        return of_rrule(schedule)
    raise InvalidSchedule(f"expected a schedule, got {schedule!r:.80}")


def of_interval(schedule: IntervalSchedule) -> IntervalInstants:
    """The grid of an interval: its anchor on the clock of its zone, or as an instant."""
    interval = schedule.interval
    if not isinstance(interval, timedelta):
        interval = timedelta(seconds=interval)
    anchor = schedule.anchor_date or DEFAULT_ANCHOR
    return IntervalInstants(interval, anchor, zone(zone_name(schedule) or "UTC"))


def of_rrule(schedule: RRuleSchedule) -> RecurrenceInstants:
    """The rules of an iCalendar text, in the zone of the argument or of its TZID; both must be the same."""
    given = rrule_text.parse(schedule.rrule)
    if schedule.timezone and given.zone and schedule.timezone != given.zone:
        raise InvalidSchedule(
            f"expected one zone, got timezone={schedule.timezone!r} and TZID={given.zone}", field="timezone"
        )
    return RecurrenceInstants(given, zone(schedule.timezone or given.zone or "UTC"))


def zone_name(schedule: Schedule) -> str | None:
    """The zone a schedule runs in; an anchor with a zone of its own brings it along."""
    if schedule.timezone is None and isinstance(schedule, IntervalSchedule) and schedule.anchor_date is not None:
        key = getattr(schedule.anchor_date.tzinfo, "key", None)
        return key if isinstance(key, str) else None
    if schedule.timezone is None and isinstance(schedule, RRuleSchedule):
        return rrule_text.parse(schedule.rrule).zone
    return schedule.timezone
