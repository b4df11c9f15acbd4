"""Which days a recurrence rule allows: the BY… parts that look at the date, and what the start fills in for them."""

from calendar import isleap, monthrange
from dataclasses import replace
from datetime import date, datetime, timedelta

from orchestrator.schedules.rrule_text import Recurrence


def effective(rule: Recurrence, start: datetime) -> Recurrence:
    """The rule with what it takes from its start written out: the day, and the time below its frequency."""
    below = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY").index(rule.freq)
    filled = rule
    if below < 4 and not rule.by_hour:
        filled = replace(filled, by_hour=(start.hour,))
    if below < 5 and not rule.by_minute:
        filled = replace(filled, by_minute=(start.minute,))
    if below < 6 and not rule.by_second:
        filled = replace(filled, by_second=(start.second,))
    if rule.by_weekno or rule.by_yearday or rule.by_monthday or rule.by_day:
        return filled
    if rule.freq == "YEARLY":
        return replace(filled, by_month=rule.by_month or (start.month,), by_monthday=(start.day,))
    if rule.freq == "MONTHLY":
        return replace(filled, by_monthday=(start.day,))
    if rule.freq == "WEEKLY":
        return replace(filled, by_day=((0, start.weekday()),))
    return filled


class DayFilter:
    """Says whether a day passes every part of a rule that looks at the date."""

    def __init__(self, rule: Recurrence) -> None:
        self.rule = rule
        self.weekdays = frozenset(weekday for nth, weekday in rule.by_day if not nth)
        self.numbered = tuple((nth, weekday) for nth, weekday in rule.by_day if nth)
        # A numbered weekday counts within the month, and in a yearly rule without months within the year.
        self.within_year = rule.freq == "YEARLY" and not rule.by_month

    def __call__(self, day: date) -> bool:
        """Whether the day passes."""
        rule = self.rule
        if rule.by_month and day.month not in rule.by_month:
            return False
        if rule.by_monthday and not self._is_monthday(day):
            return False
        if rule.by_day and day.weekday() not in self.weekdays and not self._is_numbered(day):
            return False
        if rule.by_yearday and not self._is_yearday(day):
            return False
        return not rule.by_weekno or self._is_week(day)

    def _is_monthday(self, day: date) -> bool:
        from_end = day.day - monthrange(day.year, day.month)[1] - 1
        return day.day in self.rule.by_monthday or from_end in self.rule.by_monthday

    def _is_yearday(self, day: date) -> bool:
        number = day.timetuple().tm_yday
        return number in self.rule.by_yearday or number - days_of_year(day.year) - 1 in self.rule.by_yearday

    def _is_numbered(self, day: date) -> bool:
        if self.within_year:
            place, length = day.timetuple().tm_yday, days_of_year(day.year)
        else:
            place, length = day.day, monthrange(day.year, day.month)[1]
        from_start, from_end = (place - 1) // 7 + 1, -((length - place) // 7 + 1)
        return any(day.weekday() == weekday and nth in (from_start, from_end) for nth, weekday in self.numbered)

    def _is_week(self, day: date) -> bool:
        first = day - timedelta(days=(day.weekday() - self.rule.wkst) % 7)
        # A week belongs to the year that holds its fourth day.
        year = (first + timedelta(days=3)).year
        number = (first - first_week(year, self.rule.wkst)).days // 7 + 1
        weeks = (first_week(year + 1, self.rule.wkst) - first_week(year, self.rule.wkst)).days // 7
        return number in self.rule.by_weekno or number - weeks - 1 in self.rule.by_weekno


def first_week(year: int, week_start: int) -> date:
    """The first day of week 1: of the first week that has at least four days in the year."""
    fourth = date(year, 1, 4)
    return fourth - timedelta(days=(fourth.weekday() - week_start) % 7)


def days_of_year(year: int) -> int:
    """365 or 366."""
    return 365 + isleap(year)
