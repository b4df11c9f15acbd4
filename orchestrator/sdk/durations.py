"""A length of time given as text: seconds, `[D days, ]H:MM:SS` as Python prints it, or ISO 8601 (`PT1H30M`)."""

_UNITS = {"D": 86400, "H": 3600, "M": 60, "S": 1, "W": 7 * 86400}


def seconds_in(text: str) -> float:
    """The seconds a text stands for; raises ValueError when it is none of the three forms."""
    text = text.strip()
    sign = -1.0 if text.startswith("-") else 1.0
    body = text.lstrip("+-")
    if body[:1].upper() == "P":
        return sign * _iso(body.upper())
    if ":" not in body and "day" not in body:
        return sign * float(body)
    days, _, clock = body.rpartition(",") if "," in body else ("", "", body)
    if "day" in clock:
        days, clock = clock, ""
    whole = int(days.split()[0]) * 86400 if days else 0
    # "-1 day, 23:00:00" is minus one hour: the sign belongs to the days alone.
    return sign * whole + (1.0 if days else sign) * _clock(clock.strip())


def _clock(text: str) -> float:
    if not text:
        return 0.0
    parts = text.split(":")
    if not 2 <= len(parts) <= 3:
        raise ValueError(f"expected H:MM or H:MM:SS, got {text!r}")
    hours, minutes, seconds = int(parts[0]), int(parts[1]), float(parts[2]) if len(parts) == 3 else 0.0
    if not (0 <= minutes < 60 and 0 <= seconds < 60):
        raise ValueError(f"expected minutes and seconds below 60, got {text!r}")
    return hours * 3600 + minutes * 60 + seconds


def _iso(text: str) -> float:
    date, _, clock = text[1:].partition("T")
    if not date and not clock:
        raise ValueError(f"expected a duration such as PT1H30M, got {text!r}")
    return _sum(date, "WD") + _sum(clock, "HMS")


def _sum(text: str, units: str) -> float:
    """The seconds in number-unit pairs whose units come in this order; years and months have no fixed length."""
    total, number, left = 0.0, "", units
    for letter in text:
        if letter.isdigit() or letter in ".,":
            number += letter.replace(",", ".")
            continue
        if letter not in left or not number:
            raise ValueError(f"expected a number and one of {', '.join(left) or 'no more units'}, got {text!r}")
        total += float(number) * _UNITS[letter]
        number, left = "", left[left.index(letter) + 1 :]
    if number:
        raise ValueError(f"expected a unit after {number}, got {text!r}")
    return total
