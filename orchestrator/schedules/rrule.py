"""The instants of a recurrence rule in a zone.

A rule is a sequence of periods (years, months, weeks, days, hours …) counted from its start. The period of any time
is found by arithmetic, so a minutely rule of 2020 answers at once; dateutil walks there from the start, and searches
to the year 9999 when a rule has nothing more to give. Here a rule that is silent for 50 years has ended.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cached_property
from itertools import islice
from typing import TypeVar

from orchestrator.schedules.rrule_days import DayFilter, effective
from orchestrator.schedules.rrule_text import DEFAULT_START, Moment, Recurrence, RecurrenceSet, end_of
from orchestrator.schedules.wall_clock import named_times, once, running_clock, wall

T = TypeVar("T")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SILENCE = timedelta(days=50 * 366)
UNITS = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}


class RecurrenceInstants:
    """When a set of recurrence rules fires: all rules and extra times together, without the excluded ones."""

    def __init__(self, given: RecurrenceSet, where: tzinfo) -> None:
        self.where = where
        start = self._wall_of(given.start) if given.start else DEFAULT_START
        self.rules = [RuleWalls(rule, start, where) for rule in given.rules]
        self.extra = sorted({self._wall_of(moment) for moment in given.extra})
        self.excluded = frozenset(self._wall_of(moment) for moment in given.excluded)
        self.follows_the_clock = bool(given.rules) and all(rule.follows_the_clock for rule in given.rules)

    def after(self, instant: datetime) -> Iterator[datetime]:
        """The instants later than this one, in order."""
        follow = running_clock if self.follows_the_clock else named_times
        return follow(self.walls, self.where, instant)

    def walls(self, start: datetime) -> Iterator[datetime]:
        """The wall times from a wall time on, itself included."""
        extra = (moment for moment in self.extra if moment >= start)
        last = None
        for shown in heapq.merge(extra, *(rule.walls(start) for rule in self.rules)):
            if shown != last and shown not in self.excluded:
                yield shown
            last = shown

    def _wall_of(self, moment: Moment) -> datetime:
        return wall(moment.at.replace(tzinfo=UTC), self.where) if moment.is_utc else moment.at


class RuleWalls:
    """The wall times of one rule."""

    def __init__(self, rule: Recurrence, start: datetime, where: tzinfo) -> None:
        self.rule = effective(rule, start)
        self.start = start
        self.where = where
        self.matches = DayFilter(self.rule)

    def walls(self, start: datetime) -> Iterator[datetime]:
        """The wall times from a wall time on, itself included, up to UNTIL or COUNT."""
        last = self.last
        for shown in self._unbounded(max(start, self.start)):
            if last is not None and shown > last:
                return
            yield shown

    @cached_property
    def last(self) -> datetime | None:
        """The last wall time that UNTIL or COUNT allows. Counting begins at the start, once."""
        if self.rule.until is not None:
            end = end_of(self.rule.until)
            return wall(end.replace(tzinfo=UTC), self.where) if self.rule.until.is_utc else end
        if self.rule.count is None:
            return None
        counted = deque(islice(self._unbounded(self.start), self.rule.count), maxlen=1)
        return counted[0] if counted else self.start

    def _unbounded(self, start: datetime) -> Iterator[datetime]:
        if self.rule.freq in UNITS:
            return self._within_days(start)
        return self._by_periods(start)

    # Years, months, weeks, days: the matching days of a period, each with the same times.
    def _by_periods(self, start: datetime) -> Iterator[datetime]:
        times = [
            time(hour, minute, second)
            for hour in self.rule.by_hour
            for minute in self.rule.by_minute
            for second in self.rule.by_second
        ]
        found_last = start
        for first, days in periods(self.rule, self.start.date(), start.date()):
            moments = [datetime.combine(day, at) for day in matching(first, days, self.matches) for at in times]
            for moment in chosen(moments, self.rule.by_setpos):
                if moment >= start:
                    yield moment
                    found_last = moment
            if first.toordinal() - found_last.toordinal() > SILENCE.days:
                return

    # Hours, minutes, seconds: every so many units of the clock, as far as day, hour, minute and second match.
    def _within_days(self, start: datetime) -> Iterator[datetime]:
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        found_last = start
        while day - found_last <= SILENCE and day.year < 9999:
            if self.matches(day.date()):
                for moment in self._within_day(day, start):
                    yield moment
                    found_last = moment
            day += DAY

    def _within_day(self, day: datetime, start: datetime) -> Iterator[datetime]:
        unit = timedelta(seconds=UNITS[self.rule.freq])
        base = self.start - (self.start - datetime.min) % unit
        step = unit * self.rule.interval
        offsets = self._offsets
        for hour in self.rule.by_hour or range(24):
            window = day + hour * HOUR
            if window + HOUR <= start:
                continue
            moment = base + -((base - window) // step) * step
            while moment < window + HOUR:
                yield from (moment + offset for offset in offsets if moment + offset >= start and self._fits(moment))
                moment += step

    def _fits(self, moment: datetime) -> bool:
        rule = self.rule
        if rule.freq == "HOURLY":
            return True
        if rule.by_minute and moment.minute not in rule.by_minute:
            return False
        return rule.freq == "MINUTELY" or not rule.by_second or moment.second in rule.by_second

    @cached_property
    def _offsets(self) -> list[timedelta]:
        """What is added to the beginning of each unit; BYSETPOS chooses among them."""
        rule = self.rule
        seconds = [0]
        if rule.freq != "SECONDLY":
            seconds = list(rule.by_second)
        if rule.freq == "HOURLY":
            seconds = [60 * minute + second for minute in rule.by_minute for second in seconds]
        return chosen([timedelta(seconds=second) for second in seconds], rule.by_setpos)


def periods(rule: Recurrence, start: date, wanted: date) -> Iterator[tuple[date, int]]:
    """First day and number of days of each period of a rule, from the one that holds the wanted day on."""
    wanted = max(start, wanted)
    if rule.freq in ("WEEKLY", "DAILY"):
        length = 7 if rule.freq == "WEEKLY" else 1
        first = start.toordinal() - ((start.weekday() - rule.wkst) % 7 if length == 7 else 0)
        step = length * rule.interval
        ordinal = first + (wanted.toordinal() - first) // step * step
        while ordinal + length <= date.max.toordinal():
            yield date.fromordinal(ordinal), length
            ordinal += step
        return
    months = 12 if rule.freq == "YEARLY" else 1
    number = start.year * 12 if months == 12 else start.year * 12 + start.month - 1
    step = months * rule.interval
    number += (wanted.year * 12 + wanted.month - 1 - number) // step * step
    while (number + months) // 12 <= date.max.year:
        first_day = date(number // 12, number % 12 + 1, 1)
        following = date((number + months) // 12, (number + months) % 12 + 1, 1)
        yield first_day, (following - first_day).days
        number += step


def matching(first: date, days: int, matches: Callable[[date], bool]) -> list[date]:
    """The days of a period that match."""
    ordinal = first.toordinal()
    return [day for day in map(date.fromordinal, range(ordinal, ordinal + days)) if matches(day)]


def chosen(items: list[T], positions: tuple[int, ...]) -> list[T]:
    """The items at the positions of BYSETPOS, in order; all of them without it."""
    if not positions:
        return items
    places = {position - 1 if position > 0 else len(items) + position for position in positions}
    return [item for place, item in enumerate(items) if place in places]


def last_instant(rules: RecurrenceInstants) -> datetime | None:
    """The instant after which nothing can come any more; None when a rule has no end."""
    ends = [*(rule.last for rule in rules.rules), *rules.extra[-1:]]
    known = [once(end, rules.where) for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None
