"""Wall clock times in a zone as instants: zone names, and the rule for times that summer time skips or repeats.

The rule is that of cron. A schedule that names its times (09:00, 02:30) has each of them once a day: a time that the
clock skips happens right after the gap, a time that the clock shows twice happens the first time. A schedule that
takes every hour or minute follows the clock as it runs: skipped hours do not happen, repeated ones happen each time.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from orchestrator.errors import InvalidSchedule, did_you_mean, shown

Walls = Callable[[datetime], Iterator[datetime]]
"""From a wall time on (itself included), the wall times of a schedule, strictly increasing, without a zone."""

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
SCANNED_DAYS = 400

# Old names that hold no place, so that they say nothing about summer time; what people mean by them.
MEANT = {
    "CET": "Europe/Paris",
    "CEST": "Europe/Paris",
    "MET": "Europe/Paris",
    "EET": "Europe/Athens",
    "WET": "Europe/Lisbon",
    "BST": "Europe/London",
    "GB": "Europe/London",
    "EST": "America/New_York",
    "EDT": "America/New_York",
    "EST5EDT": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "CST6CDT": "America/Chicago",
    "MST": "America/Denver",
    "MDT": "America/Denver",
    "MST7MDT": "America/Denver",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "PST8PDT": "America/Los_Angeles",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "GMT": "UTC",
    "UCT": "UTC",
    "Z": "UTC",
    "ZULU": "UTC",
}


@cache
def zone(name: str) -> tzinfo:
    """The zone of an IANA name such as Europe/Paris, or UTC; raises InvalidSchedule with the nearest name."""
    if name == "UTC":
        return UTC
    try:
        # Listing all names reads six hundred files: only the hint of a refusal does.
        if "/" in name and not name.startswith(("posix/", "right/")):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    message = f"expected an IANA time zone such as Europe/Paris, got {shown(name)}"
    raise InvalidSchedule(message, field="timezone", hint=_hint(name))


@cache
def zone_names() -> frozenset[str]:
    """The names that are accepted: a place each, and UTC."""
    return frozenset(name for name in available_timezones() if "/" in name) | {"UTC"}


def _hint(name: str) -> str:
    if not name.strip():
        return "leave it out for UTC"
    if name[:1] in ("+", "-") or name.upper().startswith(("UTC+", "UTC-", "GMT+", "GMT-")):
        return "an offset knows no summer time: name a place, or Etc/GMT-2 for a fixed two hours east"
    if name.upper() in MEANT:
        return f"did you mean {MEANT[name.upper()]!r}?"
    # Most people remember the city and forget or misspell the region.
    by_city = {known.rpartition("/")[2].lower(): known for known in sorted(zone_names())}
    same_city = by_city.get(name.rpartition("/")[2].replace(" ", "_").lower())
    if same_city:
        return f"did you mean {same_city!r}?"
    return did_you_mean(name, zone_names()) or "the names are those of the IANA time zone database"


def wall(instant: datetime, where: tzinfo) -> datetime:
    """What the clock in a zone shows at an instant, without zone and fold."""
    return instant.astimezone(where).replace(tzinfo=None, fold=0)


def once(shown_time: datetime, where: tzinfo) -> datetime:
    """The instant of a wall time: the first of two in a fold, the end of the gap for a time that does not exist."""
    if where is UTC:
        return shown_time.replace(tzinfo=UTC)
    before = _offset(shown_time.replace(tzinfo=where, fold=0))
    after = _offset(shown_time.replace(tzinfo=where, fold=1))
    if before < after:
        return _change(where, (shown_time - after).replace(tzinfo=UTC), (shown_time - before).replace(tzinfo=UTC))
    return (shown_time - before).replace(tzinfo=UTC)


def is_skipped(shown_time: datetime, where: tzinfo) -> bool:
    """Whether the clock never shows this time."""
    return where is not UTC and wall(once(shown_time, where), where) != shown_time


def is_repeated(shown_time: datetime, where: tzinfo) -> bool:
    """Whether the clock shows this time twice."""
    first, second = (_offset(shown_time.replace(tzinfo=where, fold=fold)) for fold in (0, 1))
    return first > second


def named_times(walls: Walls, where: tzinfo, after: datetime) -> Iterator[datetime]:
    """The instants after an instant of a schedule that names its times: each once."""
    last = after
    for shown_time in walls(wall(after, where)):
        instant = once(shown_time, where)
        if instant > last:
            yield instant
            last = instant


def running_clock(walls: Walls, where: tzinfo, after: datetime) -> Iterator[datetime]:
    """The instants after an instant of a schedule that follows the clock as it runs: none in a gap, both in a fold."""
    start = after
    while True:
        end, offset = _steady(where, start)
        first = None
        for shown_time in walls((start + offset).replace(tzinfo=None)):
            first = first or shown_time
            instant = shown_time.replace(tzinfo=UTC) - offset
            if instant >= end:
                break
            if instant > after:
                yield instant
        if first is None or where is UTC:
            return
        # A schedule that is silent for years is not followed through every change of the clock in between.
        start = max(end, first.replace(tzinfo=UTC) - 2 * DAY)


def clock_changes(where: tzinfo, start: datetime, days: int) -> Iterator[datetime]:
    """The instants at which the clock of a zone is put forward or back, from an instant on."""
    end = start + timedelta(days=days)
    while where is not UTC:
        start, _ = _steady(where, start)
        if start >= end:
            return
        if _offset_at(start, where) != _offset_at(start - SECOND, where):
            yield start


def _steady(where: tzinfo, instant: datetime) -> tuple[datetime, timedelta]:
    """Until when the offset of an instant holds (or at least holds), and the offset."""
    if where is UTC:
        return datetime.max.replace(tzinfo=UTC), timedelta(0)
    end = _next_change(where, instant.toordinal())
    if end <= instant:
        end = _next_change(where, instant.toordinal() + 1)
    return end, _offset_at(instant, where)


@lru_cache(maxsize=2048)
def _next_change(where: tzinfo, ordinal: int) -> datetime:
    """The first change of the offset from a day (UTC) on; a later day without meaning when there is none for long."""
    day = datetime.fromordinal(ordinal).replace(tzinfo=UTC)
    offset = _offset_at(day, where)
    for _ in range(SCANNED_DAYS):
        following = day + DAY
        if _offset_at(following, where) != offset:
            return _change(where, day, following)
        day = following
    return day


def _change(where: tzinfo, low: datetime, high: datetime) -> datetime:
    """The instant of the change between two instants with different offsets, to the second."""
    offset = _offset_at(low, where)
    seconds_low, seconds_high = 0, int((high - low) / SECOND) + 1
    while seconds_high - seconds_low > 1:
        middle = (seconds_low + seconds_high) // 2
        if _offset_at(low + middle * SECOND, where) == offset:
            seconds_low = middle
        else:
            seconds_high = middle
    return (low + seconds_high * SECOND).replace(microsecond=0)


def _offset_at(instant: datetime, where: tzinfo) -> timedelta:
    return _offset(instant.astimezone(where))


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta(0)
