"""Reads the YAML of which compose.yaml is written: maps, lists and scalars by indentation, flow lists, comments.

Anything else is refused: what this can not read does not belong into that file.
"""

from __future__ import annotations

import json
import re
from typing import Any

KEY = re.compile(r"([A-Za-z0-9_.-]+):(?:\s+(.*))?")


def read(text: str) -> Any:
    """The value of a document."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip(" ")]
    rows = [(number, len(line) - len(line.lstrip(" ")), line.strip(" ")) for number, line in lines]
    rows = [row for row in rows if not row[2].startswith("#")]
    value, left = block(rows, rows[0][1])
    assert not left, f"line {left[0][0]}: does not belong here"
    return value


def block(rows: list[tuple[int, int, str]], indent: int) -> tuple[Any, list[tuple[int, int, str]]]:
    """The map or list whose lines begin at an indentation, and the lines behind it."""
    is_list = rows[0][2].startswith("- ")
    found: Any = [] if is_list else {}
    while rows and rows[0][1] == indent:
        number, _, line = rows[0]
        if is_list:
            assert line.startswith("- "), f"line {number}: a list goes on, got {line}"
            found.append(scalar(line[2:].strip(), number))
            rows = rows[1:]
            continue
        match = KEY.fullmatch(line)
        assert match and match[1] not in found, f"line {number}: expected a key that is not there yet, got {line}"
        rows = rows[1:]
        if match[2] is not None:
            found[match[1]] = scalar(match[2], number)
        elif rows and rows[0][1] > indent:
            found[match[1]], rows = block(rows, rows[0][1])
        else:
            found[match[1]] = None
    assert not rows or rows[0][1] < indent, f"line {rows[0][0]}: is indented strangely"
    return found, rows


def scalar(text: str, number: int) -> Any:
    """One value: quoted as in JSON, a flow list of such, {}, or plain text."""
    if text[0] in '"[{':
        return json.loads(text)
    if text in ("true", "false"):
        return text == "true"
    assert text[0] not in "'&*!|>%@`" and ": " not in text and " #" not in text, f"line {number}: quote {text}"
    return int(text) if re.fullmatch(r"[0-9]+", text) else text
