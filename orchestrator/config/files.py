"""Files of settings: read whole or refused with line and column, replaced whole or left as they are."""

import fcntl
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.errors import InvalidSettings

LARGEST_BYTES = 1 << 20
LONGEST_PASSWORD = 4096
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
SHOWN = re.compile(r"\[[\w. -]*|[a-z_]+ *= *", re.ASCII)
TOML_HINT = 'one setting a line, and text in quotes, as in redis_url = "redis://host"'
PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")


def read_toml(path: Path) -> dict[str, Any]:
    """What a settings file holds; FileNotFoundError and NotADirectoryError when it is not there.

    Raises InvalidSettings with file:line:column for what is no TOML, and OSError for what can not be read.
    """
    try:
        content = read_whole(path, LARGEST_BYTES)
    except ValueError as error:
        raise InvalidSettings([f"expected {path} to be a settings file: {error}"]) from error
    try:
        return parse_toml(content.decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidSettings([f"{path}:{line}: expected UTF-8 text, got byte 0x{content[error.start]:02x}"]) from error


def read_password(path: Path) -> str:
    """The one line of a file; ValueError says why it can not be a password, and repeats nothing of it."""
    try:
        password = read_whole(path, LONGEST_PASSWORD).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    except OSError as error:
        raise ValueError(error.strerror or "it can not be read") from error
    if not password or not password.isprintable():
        raise ValueError("it has more than one line, or none")
    return password


def read_whole(path: Path, most: int) -> bytes:
    """The bytes of a regular file; ValueError for anything else and for more than `most` bytes."""
    # Without O_NONBLOCK a pipe in its place would hold up every command.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is a folder, a pipe or a device")
        content = os.read(descriptor, most + 1)
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    return content


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """The tables of a TOML text; InvalidSettings says where it is wrong, and shows no value: it may be a password."""
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        said = str(error)
        found = PLACE.search(said)
        line, column = (int(found[1]), int(found[2])) if found else (text.count("\n") + 1, 1)
        problem = f"{path}:{line}:{column}: {PLACE.sub('', said)}{pointed_at(text, line, column)}"
        raise InvalidSettings([problem], hint=TOML_HINT) from error


def pointed_at(text: str, line: int, column: int) -> str:
    """The line with a caret below the place, as far as it is a name: what follows may be a password."""
    begins = SHOWN.match(text.split("\n")[line - 1])
    return f"\n{begins[0]}…\n{' ' * min(column - 1, len(begins[0]))}^" if begins else ""


def toml_text(tables: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Nested tables as TOML: plain values first, then a headed section for each table."""
    lines = [f"{key_text(name)} = {value_text(value)}" for name, value in tables.items() if not is_table(value)]
    inner = {name: value for name, value in tables.items() if is_table(value)}
    head = [f"[{'.'.join(map(key_text, path))}]"] if path and (lines or not inner) else []
    sections = [toml_text(value, (*path, name)) for name, value in inner.items()]
    return "\n".join(["\n".join([*head, *lines]) + "\n", *sections]).lstrip("\n")


def is_table(value: Any) -> bool:
    """Whether a value is a table of its own."""
    return isinstance(value, Mapping)


def key_text(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if BARE_KEY.fullmatch(name) else value_text(name)


def value_text(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e6 else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(value_text, value))}]"
    if is_table(value):
        return f"{{{', '.join(f'{key_text(name)} = {value_text(inner)}' for name, inner in value.items())}}}"
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other commands from changing the same file at the same time; makes its folder, private to this user."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_own(path.parent)
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def replace_file(path: Path, text: str) -> None:
    """Put a file in place whole, readable by this user alone; the old one stays as it is when that fails."""
    import tempfile

    path = Path(os.path.realpath(path))  # a link to a file elsewhere stays a link
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


def require_own(folder: Path) -> None:
    """PermissionError for a folder of another user, who could not read what is written there, or could replace it."""
    import errno

    owner = folder.stat().st_uid
    if owner != os.geteuid():
        said = f"it belongs to user {owner} and you are user {os.geteuid()}: {os.strerror(errno.EPERM)}"
        raise PermissionError(errno.EPERM, said, str(folder))
