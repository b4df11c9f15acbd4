"""What a schedule says, in words: `every 5 minutes`, `at 09:00 on day 15 of the month (America/New_York)`."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule, Schedule, cron_fields, rrule_text
from orchestrator.schedules.cron_fields import CronFields, parse
from orchestrator.schedules.instants import DEFAULT_ANCHOR, zone_name

UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
WORKDAYS = (1, 2, 3, 4, 5)
FREQUENCIES = {"YEARLY": "year", "MONTHLY": "month", "WEEKLY": "week", "DAILY": "day", "HOURLY": "hour"}
FREQUENCIES |= {"MINUTELY": "minute", "SECONDLY": "second"}
MOST_TIMES = 4


def text_of(schedule: Schedule) -> str:
    """One line for people, with the zone the times are in."""
    if isinstance(schedule, IntervalSchedule):
        return of_interval(schedule)
    zone = f" ({schedule.timezone or zone_name(schedule) or 'UTC'})"
    if isinstance(schedule, CronSchedule):
        return of_cron(parse(schedule.cron), schedule.day_or) + zone
    if isinstance(schedule, RRuleSchedule):
        return of_rrule(schedule.rrule) + zone
    return repr(schedule)


def of_interval(schedule: IntervalSchedule) -> str:
    """`every 5 minutes`, and where the grid lies when that was chosen."""
    interval = schedule.interval
    length = interval if isinstance(interval, timedelta) else timedelta(seconds=interval)
    text = f"every {spoken(length)}"
    zone = zone_name(schedule)
    if length % timedelta(days=1) == timedelta(0):
        anchor = schedule.anchor_date or DEFAULT_ANCHOR
        return f"{text} at {clock(anchor.hour, anchor.minute)} ({zone or zone_of(anchor)})"
    if schedule.anchor_date is not None:
        return f"{text} counted from {schedule.anchor_date:%Y-%m-%d %H:%M} ({zone or zone_of(schedule.anchor_date)})"
    return text


def zone_of(moment: datetime) -> str:
    """The zone of a datetime as it names itself."""
    return str(moment.tzinfo) if moment.tzinfo not in (None, UTC) else "UTC"


def spoken(length: timedelta) -> str:
    """A length in its largest units: `minute`, `90 minutes`, `1 hour 30.5 seconds`."""
    seconds = length.total_seconds()
    for unit, size in UNITS:
        if seconds % size == 0 and seconds >= size:
            count = round(seconds / size)
            return unit if count == 1 else f"{count} {unit}s"
    whole, rest = divmod(seconds, 60)
    return f"{whole * 60 + rest:g} seconds"


def of_cron(fields: CronFields, day_or: bool) -> str:
    """A cron line in words."""
    return " ".join(part for part in (times(fields), days(fields, day_or), months(fields)) if part)


def times(fields: CronFields) -> str:
    """The minutes and hours."""
    minute, hour = fields.texts[:2]
    minutes, hours = fields.minutes, fields.hours
    every_hour, every_minute = len(hours) == 24, len(minutes) == 60
    if every_minute:
        return "every minute" if every_hour else f"every minute of {hours_text(hours)}"
    if minute.startswith("*/") and "," not in minute:
        even = 60 % int(minute[2:]) == 0
        every = f"every {minute[2:]} minutes" if even else f"at minute {joined(minutes)}"
        return every + ("" if every_hour and even else " of every hour" if every_hour else f" of {hours_text(hours)}")
    if every_hour:
        return "every hour" if minutes == (0,) else f"every hour at minute {spans(minutes)}"
    if hour.startswith("*/") and minutes == (0,) and 24 % int(hour[2:].split(",")[0]) == 0 and "," not in hour:
        return f"every {hour[2:]} hours"
    if len(minutes) * len(hours) <= MOST_TIMES:
        return "at " + joined(clock(at, past) for at in hours for past in minutes)
    return f"at minute {spans(minutes)} of {hours_text(hours)}"


def hours_text(hours: Sequence[int]) -> str:
    """`hours 8 to 17`, `hours 8, 12 and 18`."""
    return f"hour {hours[0]}" if len(hours) == 1 else f"hours {spans(hours)}"


def days(fields: CronFields, day_or: bool) -> str:
    """The days; both fields together are joined by `or`, as cron does, or by `and`."""
    weekday = "" if fields.weekday == "*" else f"on {weekdays(fields.weekday)}"
    if fields.day == "*":
        return weekday or ("" if "every" in times(fields) else "every day")
    day = f"on {month_days(fields.day)} of the month"
    if not weekday:
        return day
    starred = fields.day.startswith("*") or fields.weekday.startswith("*")
    special = any(sign in fields.day + fields.weekday for sign in "w#l")
    both = not day_or or starred or special
    return f"{day} if it is {weekdays(fields.weekday)}" if both else f"{day} or {weekday}"


def month_days(text: str) -> str:
    """`day 15`, `days 1 to 7`, `the last day`, `the working day nearest to day 15`."""
    if text.endswith("w"):
        return f"the working day nearest to day {text[:-1]}"
    if text == "l":
        return "the last day"
    if text.startswith("*/"):
        return f"every {ordinal(int(text[2:].split(',')[0]))} day"
    numbers = [int(item) for item in text.split(",") if item != "l"]
    named = f"day {numbers[0]}" if len(numbers) == 1 else f"days {spans(numbers)}"
    return f"{named} and the last" if text.endswith("l") else named


def weekdays(text: str) -> str:
    """`Monday to Friday`, `the 2nd Tuesday`, `the last Friday`."""
    if "#" in text or text.startswith("l"):
        return joined(special_weekday(item) for item in text.split(","))
    items = [item for item in text.split(",") if not item.startswith("*")]
    numbers = tuple(sorted({int(item) for item in items}))
    return "Monday to Friday" if numbers == WORKDAYS else joined(WEEKDAYS[number] for number in numbers)


def special_weekday(text: str) -> str:
    """`5#2` and `l5` in words."""
    if text.startswith("l"):
        return f"the last {WEEKDAYS[int(text[1:])]}"
    weekday, _, nth = text.partition("#")
    return f"the {ordinal(int(nth))} {WEEKDAYS[int(weekday)]}"


def months(fields: CronFields) -> str:
    """The months, unless it is every one."""
    return "" if len(fields.months) == 12 else f"in {joined(MONTHS[month - 1] for month in fields.months)}"


def of_rrule(text: str) -> str:
    """A single simple rule in words; anything else as it was written."""
    given = rrule_text.parse(text)
    plain = len(given.rules) == 1 and not given.extra and not given.excluded
    rule = given.rules[0] if given.rules else None
    if rule is None or not plain or has_rare_parts(rule):
        return " ".join(text.split())
    unit = FREQUENCIES[rule.freq]
    said = [f"every {unit}" if rule.interval == 1 else f"every {rule.interval} {unit}s"]
    if rule.by_day:
        said.append("on " + joined(rule_weekday(nth, weekday) for nth, weekday in rule.by_day))
    if rule.by_monthday:
        said.append(f"on day {joined(rule.by_monthday)}")
    if rule.by_month:
        said.append("in " + joined(MONTHS[month - 1] for month in rule.by_month))
    if rule.by_hour:
        said.append("at " + joined(clock(hour, minute) for hour in rule.by_hour for minute in rule.by_minute or (0,)))
    if rule.count is not None:
        said.append(f"{rule.count} times")
    if rule.until is not None:
        said.append(f"until {rule.until.at:%Y-%m-%d}")
    return " ".join(said)


def has_rare_parts(rule: rrule_text.Recurrence) -> bool:
    """Whether words would be longer than the rule."""
    rare = (rule.by_weekno, rule.by_yearday, rule.by_second, rule.by_setpos, rule.by_minute and not rule.by_hour)
    from_end = any(day < 0 for day in rule.by_monthday)
    return any(rare) or from_end or len(rule.by_hour) * max(1, len(rule.by_minute)) > MOST_TIMES


def rule_weekday(nth: int, weekday: int) -> str:
    """A weekday of a rule, where Monday is 0."""
    name = WEEKDAYS[(weekday + 1) % 7]
    if not nth:
        return name
    return f"the last {name}" if nth == -1 else f"the {ordinal(abs(nth))} {name}" + (" from the end" if nth < 0 else "")


def clock(hour: int, minute: int) -> str:
    """`09:05`."""
    return f"{hour:02}:{minute:02}"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 <= number % 100 <= 20 else ending}"


def joined(items: Iterable[object]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def spans(numbers: Iterable[int]) -> str:
    """`8 to 17`, `0, 1 and 5 to 23`."""
    return joined(span.replace("-", " to ") for span in cron_fields.spans(numbers).split(","))
