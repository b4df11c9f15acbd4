"""The one place where bytes that came out of Redis become values: size and depth are bounded before anything is built.

Ten megabytes of msgpack can decode to a gigabyte of objects, a line of JSON to a value that no code of ours can walk.
What is larger or deeper than we ever write, holds a type or a number that we never write, names a key twice, is cut off
or goes on after its end, is refused with a sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import msgpack

from queues.errors import BadPayload

DEEPEST = 64
"""Levels of lists and maps in one value."""

_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


def from_json(data: bytes | str, *, most: int, deepest: int = DEEPEST) -> Any:
    """Decode a JSON value of at most `most` bytes; raises BadPayload."""
    text = _text(data, most)
    _bound_depth(text, deepest)
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite)
    except BadPayload:
        raise
    except (ValueError, RecursionError) as error:
        raise BadPayload(f"it is no JSON: {error}") from None


def from_msgpack(data: bytes, *, most: int, longest: int, text_errors: str = "replace") -> Any:
    """Decode rows in msgpack: at most `most` bytes, and `longest` items in a list; lists come as tuples.

    What `text_errors` does not mend is no text: "surrogatepass" gives back what was written with it. Maps and
    extensions are refused: no row holds one. Raises BadPayload.
    """
    if len(data) > most:
        raise BadPayload(f"it has {len(data)} bytes, allowed are {most}")
    try:
        return msgpack.unpackb(
            data,
            use_list=False,  # each empty list would be an object of its own; there is but one empty tuple
            strict_map_key=True,
            object_pairs_hook=_no_map,
            ext_hook=_no_extension,
            unicode_errors=text_errors,
            max_array_len=longest,
            max_map_len=0,
            max_ext_len=0,
            max_str_len=most,
            max_bin_len=0,
        )
    except BadPayload:
        raise
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise BadPayload(f"it is no msgpack of ours: {error or type(error).__name__}") from None


def checked_row(row: Any, types: Sequence[type | tuple[type, ...]], *, least: int) -> list[Any]:
    """The items of a row, filled up with None; raises BadPayload when an item is of another type, or too few are there.

    Items behind the known ones come from a newer version and are left out.
    """
    if not isinstance(row, tuple) or len(row) < least:
        raise BadPayload(f"expected a row of at least {least} items, got {type(row).__name__}")
    items = [*row[: len(types)], *[None] * (len(types) - len(row))]
    for item, allowed in zip(items[: len(row)], types, strict=False):
        if not isinstance(item, allowed) or isinstance(item, bool):
            raise BadPayload(f"expected an item of a row to be {allowed}, got {type(item).__name__}")
    return items


def _text(data: bytes | str, most: int) -> str:
    if len(data) > most:
        raise BadPayload(f"it has {len(data)} bytes, allowed are {most}")
    try:
        return data if isinstance(data, str) else data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadPayload(f"it is no UTF-8 at byte {error.start}") from None


def _bound_depth(text: str, deepest: int) -> None:
    # Nearly every value has fewer brackets than levels are allowed; only the others are looked through.
    if text.count("[") + text.count("{") <= deepest:
        return
    depth = 0
    for token in _NESTING.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > deepest:
                raise BadPayload(f"it is more than {deepest} levels deep")
        elif first in "]}":
            depth -= 1


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadPayload(f"it names {twice[:80]!r} twice")
    return made


def _no_constant(name: str) -> NoReturn:
    raise BadPayload(f"it holds {name}, which is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise BadPayload(f"it holds {text[:80]}, which is no number that a computer can hold")
    return number


def _no_map(_pairs: object) -> NoReturn:
    raise BadPayload("it holds a map")


def _no_extension(code: int, _data: bytes) -> NoReturn:
    raise BadPayload(f"it holds an extension of type {code}")
