"""Parameters of a run as the command line gives them: `-p key=value`, `--params JSON`, `--params -`.

Everything is checked here, before anything is sent: well-formed, finite numbers, no key twice, bounded size and depth.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.cli.failures import CommandError
from orchestrator.errors import shown

LARGEST_BYTES = 512 * 1024
WHOLE_FORMS = """as in --params '{"date": "2026-03-01"}', or --params - < FILE"""
DEEPEST = 32
"""Well below the 64 levels of the wire to the flow's process, which wraps parameters in maps of its own."""
LOOKS_LIKE_JSON = ("{", "[", '"')


def parameters_of(pairs: Sequence[str], whole: str | None) -> dict[str, Any]:
    """The parameters that `-p` and `--params` give together; `-p` wins where both name one."""
    parameters = whole_parameters(whole) if whole is not None else {}
    given: dict[str, int] = {}
    for place, pair in enumerate(pairs, 1):
        key, value = one_parameter(pair, place)
        if key in given:
            raise refused(
                f"-p (number {place})", f"{key!r} was given before, as number {given[key]}", "give every key once"
            )
        given[key] = place
        parameters[key] = value
    check_size(parameters)
    return parameters


def whole_parameters(text: str) -> dict[str, Any]:
    """The JSON object of `--params`; `-` reads it from stdin."""
    value = from_json("--params", sys.stdin.read(LARGEST_BYTES + 1) if text == "-" else text)
    if not isinstance(value, dict):
        raise refused("--params", f"expected a JSON object, got {shown(text)}", WHOLE_FORMS)
    return value


def one_parameter(pair: str, place: int) -> tuple[str, Any]:
    """Key and value of one `-p`: JSON where it is JSON, `@file` for JSON in a file, else the text itself."""
    key, equals, text = pair.partition("=")
    field = f"-p (number {place})"
    if not equals or not key:
        raise refused(field, f"expected key=value, got {shown(pair)}", "as in -p date=2026-03-01 or -p n=3")
    if text.startswith("@"):
        return key, from_json(field, file_text(field, text[1:]))
    try:
        return key, strict(text)
    except json.JSONDecodeError:
        if text.lstrip().startswith(LOOKS_LIKE_JSON):
            return key, from_json(field, text)
        return key, text
    except (ValueError, RecursionError):
        return key, from_json(field, text)


def file_text(field: str, path: str) -> str:
    """The text of the file that `-p key=@path` names."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(LARGEST_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        hint = "a value that begins with @ names a JSON file; write it as '\"@…\"' to pass it as text"
        raise refused(field, f"cannot read {shown(path)}: {reason}", hint) from None


def from_json(field: str, text: str) -> Any:
    """The value of JSON text; refused with line and column, or with the rule it breaks."""
    if len(text.encode(errors="replace")) > LARGEST_BYTES:
        raise refused(
            field, f"expected at most {LARGEST_BYTES // 1024} KiB of JSON, got more", "pass a path instead of data"
        )
    try:
        return strict(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        hint = WHOLE_FORMS if field == "--params" else None
        raise refused(field, f"expected JSON, got {shown(text)}: {error.msg} at {where}", hint) from None
    except RecursionError:
        raise too_deep(field) from None
    except ValueError as error:
        raise refused(field, str(error), None) from None


def strict(text: str) -> Any:
    """As `json.loads`, but NaN, infinities, and a key that comes twice are errors."""
    return json.loads(text, parse_constant=not_finite, parse_float=finite, object_pairs_hook=unique)


def not_finite(text: str) -> Any:
    """NaN and Infinity are JavaScript, not JSON."""
    raise ValueError(f"expected a finite number, got {text}; write it as '\"{text}\"' to pass it as text")


def finite(text: str) -> float:
    """A float that is one."""
    return float(text) if math.isfinite(float(text)) else not_finite(text)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys come once each."""
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"expected every key once, got {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return made


def check_size(parameters: Mapping[str, Any]) -> None:
    """Refuses what is too deep or too large to be stored with a run."""
    if depth(parameters) > DEEPEST:
        raise too_deep("parameters")
    try:
        size = len(json.dumps(parameters, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise refused("parameters", "expected text in UTF-8, got other bytes", "set LANG to a UTF-8 locale") from None
    if size > LARGEST_BYTES:
        found = f"expected at most {LARGEST_BYTES // 1024} KiB of JSON in all, got {size // 1024} KiB"
        raise refused("parameters", found, "pass a path instead of data")


def depth(value: Any) -> int:
    """How deep lists and objects are nested."""
    deepest, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        deepest += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return deepest


def too_deep(field: str) -> CommandError:
    """The error for JSON nested beyond the limit."""
    return refused(field, f"expected JSON nested at most {DEEPEST} deep, got more", "pass flatter data, or a path")


def refused(field: str, message: str, hint: str | None) -> CommandError:
    """A parameter that is not sent."""
    return CommandError(message, exit_code=2, code="invalid", field=field, hint=hint)
