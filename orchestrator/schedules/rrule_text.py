"""Recurrence rules of iCalendar (RFC 5545) as text: read strictly, every part named in what is refused.

Taken are `FREQ=…` alone, or lines of DTSTART, RRULE (several), RDATE and EXDATE. Without DTSTART a rule counts from
2020-01-01 00:00 in its zone, so that its instants do not depend on when it was read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from orchestrator.errors import InvalidSchedule, did_you_mean, shown

LONGEST = 6500
MOST_COUNTED = 10_000
DEFAULT_START = datetime(2020, 1, 1)
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
PROPERTIES = ("DTSTART", "RRULE", "RDATE", "EXDATE")
MOMENT = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
BY_DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
WHOLE = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A date or time as the text gives it: on the clock of the schedule's zone, or in UTC (`Z`)."""

    at: datetime
    is_utc: bool = False
    is_date: bool = False


@dataclass(frozen=True, kw_only=True)
class Recurrence:
    """One RRULE. Empty tuples are parts that were not given."""

    freq: str
    interval: int = 1
    count: int | None = None
    until: Moment | None = None
    wkst: int = 0
    by_month: tuple[int, ...] = ()
    by_weekno: tuple[int, ...] = ()
    by_yearday: tuple[int, ...] = ()
    by_monthday: tuple[int, ...] = ()
    by_day: tuple[tuple[int, int], ...] = ()
    """(nth or 0, weekday with Monday 0)."""
    by_hour: tuple[int, ...] = ()
    by_minute: tuple[int, ...] = ()
    by_second: tuple[int, ...] = ()
    by_setpos: tuple[int, ...] = ()

    @property
    def follows_the_clock(self) -> bool:
        """Whether it takes every hour or minute; else it names its times."""
        return self.freq in ("HOURLY", "MINUTELY", "SECONDLY") and not self.by_hour


@dataclass(frozen=True, kw_only=True)
class RecurrenceSet:
    """All lines of a text."""

    rules: tuple[Recurrence, ...]
    start: Moment | None
    zone: str | None
    extra: tuple[Moment, ...]
    excluded: tuple[Moment, ...]


@lru_cache(maxsize=512)
def parse(text: str) -> RecurrenceSet:
    """Take the text apart; raises InvalidSchedule naming the part, what it may hold, and what was found."""
    if len(text) > LONGEST:
        raise refused(f"expected at most {LONGEST} characters, got {len(text)}")
    rules: list[Recurrence] = []
    moments: dict[str, list[Moment]] = {"DTSTART": [], "RDATE": [], "EXDATE": []}
    zone: str | None = None
    for line in unfolded(text):
        name, arguments, value = divided(line)
        if name == "RRULE":
            rules.append(rule(value))
            continue
        moments[name] += [moment(name, item) for item in value.split(",")]
        zone = zone_of(name, arguments, zone)
    if not rules and not moments["RDATE"]:
        raise refused(f"expected a rule such as FREQ=DAILY;BYHOUR=9, got {shown(text)}")
    if len(moments["DTSTART"]) > 1:
        raise refused("expected one DTSTART, got several")
    return RecurrenceSet(
        rules=tuple(rules),
        start=next(iter(moments["DTSTART"]), None),
        zone=zone,
        extra=tuple(moments["RDATE"]),
        excluded=tuple(moments["EXDATE"]),
    )


def unfolded(text: str) -> list[str]:
    """The lines of the text; a line that begins with a space goes on with the one before."""
    return [line.strip() for line in re.sub(r"\r?\n[ \t]", "", text).splitlines() if line.strip()]


def divided(line: str) -> tuple[str, list[str], str]:
    """Name, arguments and value of a line; a line without a colon is a rule."""
    head, colon, value = line.partition(":")
    if not colon:
        return "RRULE", [], line
    name, *arguments = head.split(";")
    if name.upper() not in PROPERTIES:
        hint = did_you_mean(name, PROPERTIES) or f"known are {', '.join(PROPERTIES)}"
        raise refused(f"expected lines of {', '.join(PROPERTIES)}, got {shown(name)}", hint)
    return name.upper(), arguments, value


def zone_of(name: str, arguments: list[str], zone: str | None) -> str | None:
    """The zone that TZID names; all lines must agree on it."""
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key.upper() == "TZID" and zone in (None, value):
            zone = value
        elif key.upper() == "TZID":
            raise refused(f"expected one TZID in all lines, got {shown(zone)} and {shown(value)}")
        elif argument.upper() not in ("VALUE=DATE", "VALUE=DATE-TIME"):
            raise refused(f"expected {name} to have no argument but TZID and VALUE, got {shown(argument)}")
    return zone


def moment(name: str, text: str) -> Moment:
    """A date or time, as in 20260301 or 20260301T090000 or 20260301T080000Z."""
    match = MOMENT.fullmatch(text.strip().upper())
    if match:
        try:
            clock = match[2] or "000000"
            at = datetime.fromisoformat(f"{match[1]}T{clock}")
            return Moment(at=at, is_utc=match[3] == "Z", is_date=match[2] is None)
        except ValueError:
            pass
    raise refused(f"expected {name} to be a time such as 20260301T090000 or 20260301T080000Z, got {shown(text)}")


def rule(text: str) -> Recurrence:
    """The parts of one rule."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        key, equals, value = part.strip().upper().partition("=")
        if not equals or key not in PARTS:
            hint = did_you_mean(key, PARTS) or f"parts are {', '.join(PARTS)}"
            raise refused(f"expected parts such as FREQ=DAILY, got {shown(part)}", hint)
        if key in found:
            raise refused(f"expected {key} once, got it twice")
        found[key] = value.strip()
    if found.get("FREQ") not in FREQUENCIES:
        raise refused(f"expected FREQ to be one of {', '.join(FREQUENCIES)}, got {shown(found.get('FREQ', ''))}")
    made = Recurrence(freq=found.pop("FREQ"), **{PARTS[key][0]: PARTS[key][1](key, found[key]) for key in found})  # type: ignore[arg-type]
    check_together(made)
    return made


def check_together(made: Recurrence) -> None:
    """What RFC 5545 does not allow side by side."""
    if made.count is not None and made.until is not None:
        raise refused("expected COUNT or UNTIL, got both")
    if made.freq not in ("YEARLY", "MONTHLY") and any(nth for nth, _ in made.by_day):
        raise refused(f"expected BYDAY without numbers when FREQ={made.freq}, got a number", "use FREQ=MONTHLY")
    if made.by_weekno and made.freq != "YEARLY":
        raise refused(f"expected BYWEEKNO with FREQ=YEARLY only, got FREQ={made.freq}")
    if made.by_setpos and made == Recurrence(freq=made.freq, by_setpos=made.by_setpos):
        raise refused("expected BYSETPOS beside another BY… part, got it alone")


def whole(low: int, high: int) -> Callable[[str, str], int]:
    """A reader of one number in a range."""

    def read(key: str, text: str) -> int:
        if WHOLE.fullmatch(text) and low <= int(text) <= high:
            return int(text)
        raise refused(f"expected {key} to be {low} to {high}, got {shown(text)}")

    return read


def listed(low: int, high: int, *, negative: bool = False) -> Callable[[str, str], tuple[int, ...]]:
    """A reader of a list of numbers in a range; negative ones count from the end."""

    def read(key: str, text: str) -> tuple[int, ...]:
        numbers = [int(item) if WHOLE.fullmatch(item) else high + 1 for item in text.split(",")]
        if all(low <= number <= high or (negative and low <= -number <= high) for number in numbers):
            return tuple(sorted(set(numbers)))
        ends = " or counted from the end with a minus" if negative else ""
        raise refused(f"expected {key} to hold {low} to {high}{ends}, got {shown(text)}")

    return read


def weekdays(key: str, text: str) -> tuple[tuple[int, int], ...]:
    """A reader of BYDAY: MO, 2TU, -1FR."""
    found = []
    for item in text.split(","):
        match = BY_DAY.fullmatch(item)
        if not match or (match[1] and not 1 <= abs(int(match[1])) <= 53):
            raise refused(f"expected {key} to hold {', '.join(WEEKDAYS)} or as 2TU and -1FR, got {shown(text)}")
        found.append((int(match[1] or 0), WEEKDAYS.index(match[2])))
    return tuple(sorted(set(found)))


def week_start(key: str, text: str) -> int:
    """A reader of WKST."""
    if text in WEEKDAYS:
        return WEEKDAYS.index(text)
    raise refused(f"expected {key} to be one of {', '.join(WEEKDAYS)}, got {shown(text)}")


PARTS: dict[str, tuple[str, Callable[[str, str], object]]] = {
    "FREQ": ("freq", lambda key, text: text),
    "INTERVAL": ("interval", whole(1, 1_000_000)),
    "COUNT": ("count", whole(1, MOST_COUNTED)),
    "UNTIL": ("until", moment),
    "WKST": ("wkst", week_start),
    "BYMONTH": ("by_month", listed(1, 12)),
    "BYWEEKNO": ("by_weekno", listed(1, 53, negative=True)),
    "BYYEARDAY": ("by_yearday", listed(1, 366, negative=True)),
    "BYMONTHDAY": ("by_monthday", listed(1, 31, negative=True)),
    "BYDAY": ("by_day", weekdays),
    "BYHOUR": ("by_hour", listed(0, 23)),
    "BYMINUTE": ("by_minute", listed(0, 59)),
    "BYSECOND": ("by_second", listed(0, 59)),
    "BYSETPOS": ("by_setpos", listed(1, 366, negative=True)),
}


def end_of(until: Moment) -> datetime:
    """The last wall or UTC time that UNTIL lets through; a date means its whole day."""
    return until.at + timedelta(days=1, microseconds=-1) if until.is_date else until.at


def refused(message: str, hint: str | None = None) -> InvalidSchedule:
    """The error of a recurrence rule."""
    return InvalidSchedule(message, field="rrule", hint=hint)
