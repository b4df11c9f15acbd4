"""Times and durations as people write and read them: local with offset on terminals, RFC 3339 in UTC elsewhere."""

import re
from datetime import UTC, datetime, timedelta

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+|\d+(?:\.\d+)?", re.ASCII)
DAY, CLOCK = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\d"
UTC_TEXT = re.compile(rf"\b({DAY} {CLOCK}) UTC\b|^({DAY}T{CLOCK}(?:\.\d+)?)Z$", re.ASCII)
"""A time in a sentence of ours, or a value that is one."""
PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)", re.ASCII)


def rfc3339(moment: datetime) -> str:
    """UTC, with `Z`, to the millisecond, and a fraction only where there is one."""
    precision = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def local(moment: datetime) -> str:
    """The wall clock of this machine to the second, with its offset."""
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")


def briefly(moment: datetime) -> str:
    """The same in as few characters as say when: without the date today, without seconds on another day."""
    here, today = moment.astimezone(), datetime.now().astimezone().date()
    if here.date() == today:
        return here.timetz().isoformat("seconds")
    text = here.isoformat(sep=" ", timespec="minutes")
    return text[5:] if here.year == today.year else text


def here_in(text: str) -> str:
    """A sentence with its times, which are UTC in what everybody reads, by the clock of this machine."""
    if not ("UTC" in text or text.endswith("Z")):
        return text
    return UTC_TEXT.sub(lambda found: local_of(found[1] or found[2]) or found[0], text)


def local_of(text: str) -> str | None:
    """A time in UTC as `local` writes it; None when there is no such time."""
    try:
        return local(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def seconds_of(text: str) -> float | None:
    """Seconds in `90`, `90s`, `5m`, `1h30m` or `2d`; None for anything else."""
    text = text.strip().lower()
    if not DURATION.fullmatch(text):
        return None
    return sum(float(number) * UNITS[unit or "s"] for number, unit in PART.findall(text))


def spoken(seconds: float) -> str:
    """A duration in its two largest units: `4 s`, `3 min 20 s`, `2 h 5 min`, `6 d 1 h`."""
    whole = max(0, round(seconds))
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number or unit == "s")


def moment_of(text: str, now: datetime) -> datetime | None:
    """The time meant by RFC 3339 text or by `HH:MM` (the next such time here); without an offset it is local time."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return clock_time(text, now.astimezone())
    return moment if moment.tzinfo else moment.astimezone()


def clock_time(text: str, now: datetime) -> datetime | None:
    """The next time the local clock shows `HH:MM`."""
    today = clock_today(text, now)
    return None if today is None else here(today if today > now else today + timedelta(days=1))


def last_clock_time(text: str, now: datetime) -> datetime | None:
    """The last time the local clock showed `HH:MM`."""
    today = clock_today(text, now)
    return None if today is None else here(today if today <= now else today - timedelta(days=1))


def clock_today(text: str, now: datetime) -> datetime | None:
    """Today at `HH:MM`."""
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip(), re.ASCII)
    return match and now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)


def here(wall: datetime) -> datetime:
    """The same wall clock time with the offset that holds here then: it may have changed since."""
    return wall.replace(tzinfo=None).astimezone()
