"""The value of a setting, from text or from a file to its type; what can not be one raises ValueError with what can."""

import math
import re
from pathlib import Path
from typing import Any

from queues.address import TLS_OPTIONS, split_login

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
HASH_TAG = re.compile(r"[A-Za-z0-9:._-]{0,40}\{[A-Za-z0-9._-]{1,40}\}[A-Za-z0-9:._-]{0,40}", re.ASCII)
PASSWORD_OPTION = re.compile(r"[?&]\w*password=")
HARMLESS = (*TLS_OPTIONS, "ssl", "db")
"""Options of an address that are part of no login."""


def as_switch(raw: Any) -> bool:
    """1 or 0, and the usual words for them."""
    word = str(raw).strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise ValueError("0 or 1")


def as_number(raw: Any, low: float, high: float) -> float:
    """A finite number in a range."""
    try:
        number = math.nan if isinstance(raw, bool) else float(raw)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isfinite(number) and low <= number <= high and "_" not in str(raw):
        return number
    raise ValueError(f"a number from {low:g} to {high:g}" if math.isfinite(high) else f"a number, {low:g} or more")


def as_path(raw: Any) -> Path:
    """An absolute path; `~` is the user's home."""
    if not isinstance(raw, str | Path) or "\0" in str(raw):
        raise ValueError("a path without NUL")
    try:
        return Path(raw).expanduser().absolute()
    except RuntimeError:
        raise ValueError("a path whose user exists") from None


def as_prefix(raw: Any) -> str:
    """A key prefix with one hash tag, so that all keys of an installation share a slot."""
    if isinstance(raw, str) and HASH_TAG.fullmatch(raw):
        return raw
    raise ValueError("letters, digits and : . _ - with one part in braces, as in {headgate}")


def as_installation(raw: Any) -> str:
    """An id as `headgate version` prints it."""
    if isinstance(raw, str) and re.fullmatch(r"[0-9a-f]{16}", raw.strip()):
        return raw.strip()
    raise ValueError("16 letters and digits, as `headgate version` prints them")


def as_durability(raw: Any) -> str:
    """How much an answer of Redis has to promise."""
    word = str(raw).strip().lower()
    if word in ("normal", "strict"):
        return word
    raise ValueError("normal or strict")


def as_url(raw: Any) -> str:
    """An address with a scheme; the rest is read where the connection is made."""
    if isinstance(raw, str) and raw.isprintable() and re.match(r"(rediss?|unix|redis\+sentinel)://\S", raw.strip()):
        return raw.strip()
    raise ValueError("an address that begins with redis://, rediss://, unix:// or redis+sentinel://")


KINDS = {
    "home": as_path,
    "redis_url": as_url,
    "redis_password_file": as_path,
    "prefix": as_prefix,
    "installation": as_installation,
    "durability": as_durability,
    "rq_commands": as_switch,
}
"""How a setting is read; one that is not here is a number."""


def parsed(name: str, raw: Any, low: float, high: float) -> Any:
    """A value as the type of its setting; `low` and `high` are the range of a number."""
    if isinstance(raw, str) and not raw.strip():
        raise ValueError("set to something or not set at all")
    return KINDS[name](raw) if name in KINDS else as_number(raw, low, high)


def has_password(url: str) -> bool:
    """Whether an address holds a password, as far as can be seen without reading it whole."""
    _, login, place = pieces(url)
    return ":" in login or PASSWORD_OPTION.search(place) is not None


def with_password(url: str, password: str) -> str:
    """The address with the password in it; a user name stays."""
    from urllib.parse import quote

    scheme, login, place = pieces(url)
    return f"{scheme}://{login}:{quote(password, safe='')}@{place}"


def without_secrets(url: str) -> str:
    """The address without user name and password, for people to read; of the options those that are known."""
    scheme, login, place = pieces(url)
    if PASSWORD_OPTION.search(login):  # no address: what stands before the last @ may be anything
        return f"{scheme}://***"
    place, mark, query = place.partition("?")
    options = (part if part.partition("=")[0] in HARMLESS else masked_option(part) for part in query.split("&"))
    return f"{scheme}://{'***@' if login else ''}{place}" + (f"?{'&'.join(options)}" if mark else "")


def masked_option(part: str) -> str:
    """An option of an address without its value; one that has no name may be a piece of a password."""
    name, equals, _ = part.partition("=")
    return f"{name}=***" if equals else "***"


def pieces(url: str) -> tuple[str, str, str]:
    """Scheme, login and the rest of an address."""
    scheme, _, rest = url.strip().partition("://")
    return scheme, *split_login(rest, scheme.lower())
