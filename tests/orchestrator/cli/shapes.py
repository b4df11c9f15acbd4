"""What `-o json` prints, as shapes: which keys there are, and what each holds.

A shape is a word (`str`, `int`, `number`, `bool`, `time`, `any`, or the name of another shape), with `?` where null
may stand instead; a list of one shape; or an object of shapes, in which the key `*` stands for keys of any name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
WORDS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "time": lambda value: isinstance(value, str) and TIME.fullmatch(value) is not None,
    "any": lambda value: True,
}


def differences(value: Any, shape: Any, shapes: Mapping[str, Any], place: str = "") -> list[str]:
    """Where a value is not as its shape says, one line each."""
    if isinstance(shape, str):
        return of_word(value, shape, shapes, place)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{place or 'the answer'} is no list"]
        return [line for at, item in enumerate(value) for line in differences(item, shape[0], shapes, f"{place}[{at}]")]
    if not isinstance(value, dict):
        return [f"{place or 'the answer'} is no object"]
    if "*" in shape:
        return [line for key, item in value.items() for line in differences(item, shape["*"], shapes, f"{place}.{key}")]
    found = [f"{place}.{key} is missing" for key in shape if key not in value]
    found += [f"{place}.{key} is not known" for key in value if key not in shape]
    both = [key for key in shape if key in value]
    return found + [line for key in both for line in differences(value[key], shape[key], shapes, f"{place}.{key}")]


def of_word(value: Any, word: str, shapes: Mapping[str, Any], place: str) -> list[str]:
    """As `differences`, for a word."""
    if word.endswith("?"):
        return [] if value is None else of_word(value, word[:-1], shapes, place)
    if word in shapes:
        return differences(value, shapes[word], shapes, place)
    return [] if WORDS[word](value) else [f"{place} is no {word}: {value!r:.60}"]
