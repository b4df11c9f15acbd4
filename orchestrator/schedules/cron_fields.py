"""The five fields of a cron line, read strictly: what each allows, what it expands to, and what deserves a note.

Accepted is what cron itself takes (`*`, lists, ranges, steps, names), ranges that run over the end of a field
(`5-1`, `fri-mon`), `L` and `15W` as the day, `5#2`, `L5` and `5L` as the weekday. Everything else is refused with
the field's name: croniter alone would accept random times, steps beyond the field, and `3-3` as the whole field.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.errors import InvalidSchedule, did_you_mean, shown

LONGEST = 256
FORM = "5 fields: minute hour day month weekday"
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
NTH_WEEKDAY = re.compile(r"([0-7]|[a-z]{3})#([1-5])", re.ASCII)
LAST_WEEKDAY = re.compile(r"l([0-7]|[a-z]{3})|([0-7]|[a-z]{3})l", re.ASCII)
NEAREST_WEEKDAY = re.compile(r"([0-9]{1,2})w|w([0-9]{1,2})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Field:
    """What one of the five fields may hold."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many different values the field has; 7 is Sunday too."""
        return 7 if self.name == "weekday" else self.high - self.low + 1

    @property
    def allowed(self) -> str:
        """The range, as messages name it."""
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{names}"


MINUTE = Field(name="minute", low=0, high=59)
HOUR = Field(name="hour", low=0, high=23)
DAY = Field(name="day", low=1, high=31)
MONTH = Field(name="month", low=1, high=12, names=MONTHS)
WEEKDAY = Field(name="weekday", low=0, high=7, names=WEEKDAYS)
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


@dataclass(frozen=True, kw_only=True)
class CronFields:
    """A cron line taken apart. `day` and `weekday` keep a leading star, because cron joins the two differently then."""

    texts: tuple[str, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    day: str
    weekday: str
    notes: list[str] = field(default_factory=list, compare=False)

    @property
    def follows_the_clock(self) -> bool:
        """Whether it takes every hour or minute; else it names its times. Cron looks at the first character only."""
        return self.texts[0].startswith("*") or self.texts[1].startswith("*")

    @property
    def calendar(self) -> str:
        """The days alone, at midnight, in the language of croniter."""
        return f"0 0 {self.day} {','.join(map(str, self.months))} {self.weekday}"


def parse(line: object) -> CronFields:
    """Take a cron line apart; raises InvalidSchedule naming the field, its range and what was found."""
    if not isinstance(line, str):
        raise refused(f"expected text such as '0 9 * * *', got {shown(line)}")
    texts = tuple(split(line))
    notes: list[str] = []
    minutes, hours, months = (expand(of, texts[at], notes) for at, of in ((0, MINUTE), (1, HOUR), (3, MONTH)))
    return CronFields(
        texts=texts,
        minutes=minutes,
        hours=hours,
        months=months,
        day=day_field(texts[2], notes),
        weekday=weekday_field(texts[4], notes),
        notes=notes,
    )


def split(line: str) -> list[str]:
    """The five fields in small letters, aliases written out."""
    text = line.strip(" \t").lower()
    if text.startswith("@"):
        text = aliased(text, line)
    parts = re.split(r"[ \t]+", text) if text else []
    if (
        len(line) <= LONGEST
        and len(parts) == len(FIELDS)
        and all(part.isascii() and part.isprintable() for part in parts)
    ):
        return parts
    hint = "for 09:00 on working days write '0 9 * * mon-fri'"
    if len(parts) in (6, 7) and all(re.fullmatch(r"[\w*/,?#-]+", part, re.ASCII) for part in parts):
        first, last = (" ".join(kept) for kept in (parts[1:6], parts[:5]))
        hint = (
            "Headgate takes no seconds and no year: if the first field was for seconds write "
            f"{shown(first)}, if the last one was {shown(last)}; "
            "below a minute use IntervalSchedule(interval=timedelta(seconds=…))"
        )
    raise refused(f"expected {FORM}, got {shown(line)}", hint)


def aliased(text: str, line: str) -> str:
    """What an @alias stands for."""
    if text in ALIASES:
        return ALIASES[text]
    if text.startswith("@every"):
        hint = "use IntervalSchedule(interval=timedelta(minutes=5))"
    elif text == "@reboot":
        hint = "a schedule has to name times, and a run at every start of a machine names none"
    else:
        hint = did_you_mean(text, ALIASES) or f"write {FORM}"
    raise refused(f"expected one of {', '.join(ALIASES)}, got {shown(line)}", hint)


def expand(of: Field, text: str, notes: list[str]) -> tuple[int, ...]:
    """The values of a field of numbers and names, sorted."""
    if text == "*":
        return tuple(range(of.low, of.low + of.size))
    found: set[int] = set()
    for item in text.split(","):
        found.update(values(of, item, text, notes))
    return tuple(sorted(found))


def values(of: Field, item: str, text: str, notes: list[str]) -> list[int]:
    """The values of one item of a list: a value, a range, either with a step."""
    refuse_foreign(of, item, text)
    base, slash, step_text = item.partition("/")
    step = step_of(of, step_text, text) if slash else 1
    if base == "*":
        if of.size % step:
            notes.append(uneven(of, item, step))
        return list(range(of.low, of.low + of.size, step))
    low_text, dash, high_text = base.partition("-")
    low = value(of, low_text, text)
    if dash:
        high = value(of, high_text, text)
    elif slash:
        low, high = low % 7 if of is WEEKDAY else low, of.low + of.size - 1
        notes.append(f"the {of.name} field {item} means {','.join(map(str, range(low, high + 1, step)))}")
    else:
        high = low
    if low <= high:
        return [number % 7 if of is WEEKDAY else number for number in range(low, high + 1, step)]
    return wrapped(of, item, (low, high, step), notes)


def wrapped(of: Field, item: str, bounds: tuple[int, int, int], notes: list[str]) -> list[int]:
    """A range that runs over the end of the field, as in `fri-mon`."""
    low, high, step = bounds
    count = (high - low) % of.size + 1
    found = [of.low + (low - of.low + number) % of.size for number in range(0, count, step)]
    notes.append(f"the {of.name} range {item} runs over the end of the field: it means {spans(found)}")
    return found


def spans(numbers: Iterable[int]) -> str:
    """Numbers as a cron line would list them: `0,1,5-59`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    # Two in a row are no range: `0,1` is read faster than `0-1`.
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def uneven(of: Field, item: str, step: int) -> str:
    """The note for a step that starts anew before it is complete."""
    listed = ", ".join(map(str, range(of.low, of.low + of.size, step)))
    instead = {
        MINUTE.name: f"; IntervalSchedule(interval=timedelta(minutes={step})) runs every {step} minutes",
        HOUR.name: f"; IntervalSchedule(interval=timedelta(hours={step})) runs every {step} hours",
    }.get(of.name, "")
    return f"the {of.name} field {item} starts anew after each round: it means {listed}{instead}"


def step_of(of: Field, text: str, whole: str) -> int:
    """A step between 1 and the size of the field."""
    if not NUMBER.fullmatch(text) or int(text) == 0:
        raise refused(f"expected the step of the {of.name} field to be 1 to {of.size}, got {shown(whole)}")
    if int(text) > of.size:
        raise refused(
            f"step larger than the field: the {of.name} field has {of.size} values, got {shown(whole)}",
            "for a longer interval use IntervalSchedule(interval=timedelta(…))",
        )
    return int(text)


def value(of: Field, text: str, whole: str) -> int:
    """One number or name, in range."""
    if text in of.names:
        return of.low + of.names.index(text)
    if NUMBER.fullmatch(text) and of.low <= int(text) <= of.high:
        return int(text)
    spelled_out = len(text) > 3 and text[:3] in of.names
    raise refused(
        f"expected the {of.name} field to hold {of.allowed}, got {shown(whole)}",
        f"names have three letters: write {text[:3]}" if spelled_out else None,
    )


def refuse_foreign(of: Field, item: str, text: str) -> None:
    """The signs of other programs' cron, each with what to write instead."""
    if item == "*":
        raise refused(f"the {of.name} field {shown(text)} has a * in a list: write * alone", f"values are {of.allowed}")
    if "?" in item:
        raise refused(f"the {of.name} field is {shown(text)}; ? is Quartz", "write * for any")
    if re.match(r"[hr]([(/]|$)", item):
        hint = "write the value itself: the instants of a schedule must be the same whenever they are computed"
        raise refused(f"the {of.name} field is {shown(text)}; {item[0].upper()} picks a value by itself", hint)


def day_field(text: str, notes: list[str]) -> str:
    """The day of the month: numbers, the last day (`L`), or the working day nearest to a day (`15W`)."""
    if text in ("*", "l"):
        return text
    nearest = NEAREST_WEEKDAY.fullmatch(text)
    if nearest:
        return f"{value(DAY, nearest[1] or nearest[2], text)}w"
    if "w" in text:
        raise refused(f"expected the day field to hold W with one day, as in 15W, got {shown(text)}")
    items = [item for item in text.split(",") if item != "l"]
    numbers = ",".join(map(str, expand(DAY, ",".join(items), notes)))
    return keep_star(text, numbers + ",l" * ("l" in text.split(",")))


def weekday_field(text: str, notes: list[str]) -> str:
    """The day of the week: numbers and names, the nth of the month (`5#2`), the last of the month (`L5`, `5L`)."""
    if text == "*":
        return text
    special = [special_weekday(item, text) for item in text.split(",")]
    plain = [item for item, form in zip(text.split(","), special, strict=True) if form is None]
    if plain and len(plain) < len(special):
        raise refused(f"the weekday field {shown(text)} mixes plain weekdays with # or L: use one kind")
    if not plain:
        return ",".join(form for form in special if form is not None)
    return keep_star(text, ",".join(map(str, expand(WEEKDAY, text, notes))))


def special_weekday(item: str, text: str) -> str | None:
    """`5#2` or `l5` in the spelling of croniter; None for a plain weekday."""
    if nth := NTH_WEEKDAY.fullmatch(item):
        return f"{value(WEEKDAY, nth[1], text) % 7}#{nth[2]}"
    if last := LAST_WEEKDAY.fullmatch(item):
        return f"l{value(WEEKDAY, last[1] or last[2], text) % 7}"
    return None


def keep_star(text: str, numbers: str) -> str:
    """The numbers, after the star if the field began with one: cron then joins day and weekday by `and`."""
    return f"{text.partition(',')[0]},{numbers}" if text.startswith("*") else numbers


def refused(message: str, hint: str | None = None) -> InvalidSchedule:
    """The error of a cron line."""
    return InvalidSchedule(message, field="cron", hint=hint)
