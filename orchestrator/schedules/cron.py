"""The instants of a cron line in a zone.

croniter finds the days (last day, nth weekday, and cron's own way of joining day and weekday), on a calendar without
a zone; the times of a day stand in the fields; `wall_clock` makes instants of them. A day is asked for once, so a
line that fires every minute costs no more of croniter than one that fires daily.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from functools import cache, cached_property
from typing import Any

from orchestrator.schedules.cron_fields import CronFields
from orchestrator.schedules.wall_clock import named_times, running_clock

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
LAST_YEAR = 9900


class CronInstants:
    """When a cron line fires. Days are found at most 50 years ahead; a line silent for longer never fires."""

    def __init__(self, fields: CronFields, where: tzinfo, day_or: bool) -> None:
        self.fields = fields
        self.where = where
        self.day_or = day_or
        self.times = [timedelta(hours=hour, minutes=minute) for hour in fields.hours for minute in fields.minutes]
        self._every_day = fields.day == fields.weekday == "*" and len(fields.months) == 12

    def after(self, instant: datetime) -> Iterator[datetime]:
        """The instants later than this one, in order."""
        follow = running_clock if self.fields.follows_the_clock else named_times
        return follow(self.walls, self.where, instant)

    def walls(self, start: datetime) -> Iterator[datetime]:
        """The wall times from a wall time on, itself included."""
        day = self._next_day(start.replace(hour=0, minute=0, second=0, microsecond=0))
        while day is not None:
            times = self.times if day >= start else [time for time in self.times if day + time >= start]
            for time in times:
                yield day + time
            day = self._next_day(day + DAY)

    def _next_day(self, day: datetime) -> datetime | None:
        """The first matching day from a day on, at midnight."""
        if day.year >= LAST_YEAR:
            return None
        if self._every_day:
            return day
        try:
            found: datetime = self._calendar.get_next(datetime, start_time=day - MINUTE)
        except library().CroniterBadDateError:
            return None
        return found

    @cached_property
    def _calendar(self) -> Any:
        start = datetime(2020, 1, 1)
        return library().croniter(self.fields.calendar, start, day_or=self.day_or, implement_cron_bug=True)


@cache
def library() -> Any:
    """croniter, kept from its first use on: later a file of the user's may have its name."""
    import croniter

    return croniter
