"""Parameters of a deployment as plain JSON values, bounded; what Python has beyond JSON becomes its usual text."""

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.errors import InvalidParameters, expected, shown
from orchestrator.sdk import results, schema

MOST_BYTES = 512 * 1024
MOST_DEPTH = 32
SMALLEST_INT, LARGEST_INT = -(1 << 63), (1 << 64) - 1


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as JSON gives them back; raises InvalidParameters naming the one that can not be carried."""
    plain = {name: plain_value(name, value) for name, value in parameters.items()}
    size = len(json.dumps(plain, ensure_ascii=False).encode())
    if size > MOST_BYTES:
        message = f"expected the parameters to be at most {MOST_BYTES // 1024} KiB of JSON, got {size:,} bytes"
        raise InvalidParameters(message, field="parameters", hint="pass the path of a file instead of its data")
    return plain


def plain_value(name: object, value: Any) -> Any:
    """One parameter: dates, paths, sets and the like as JSON has them."""
    if not isinstance(name, str):
        raise InvalidParameters(expected("the name of a parameter", "text", name), field="parameters")
    field = f"parameters.{name}"
    try:
        text = json.dumps(value, default=results.plain, allow_nan=False, ensure_ascii=False)
        text.encode()
        plain = json.loads(text)
    except RecursionError:
        raise InvalidParameters(f"{field} contains itself or is nested too deep", field=field) from None
    except (TypeError, ValueError) as error:
        reason = "is no JSON value" if isinstance(error, TypeError) else f"can not be written as JSON: {error}"
        hint = "pass text, numbers, true, false, null, lists and dicts; a path instead of an object"
        raise InvalidParameters(f"{field} {reason}, got {shown(value)}", field=field, hint=hint) from None
    check_inside(field, value, plain)
    return plain


def check_inside(field: str, given: Any, plain: Any) -> None:
    """Depth, whole numbers beyond 64 bits, and keys that JSON would silently turn into text."""
    level, depth = [plain], 1
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
        for item in level:
            if isinstance(item, int) and not SMALLEST_INT <= item <= LARGEST_INT:
                raise InvalidParameters(expected(field, "whole numbers of at most 64 bits", item), field=field)
    if isinstance(plain, int) and not SMALLEST_INT <= plain <= LARGEST_INT:
        raise InvalidParameters(expected(field, "a whole number of at most 64 bits", plain), field=field)
    if depth > MOST_DEPTH:
        raise InvalidParameters(f"expected {field} to be nested at most {MOST_DEPTH} deep, got {depth}", field=field)
    odd = odd_key(given)
    if odd is not None:
        raise InvalidParameters(expected(f"the keys in {field}", "text", odd), field=field)


def odd_key(value: Any) -> Any:
    """A key of a dict, at any depth, that is not text; None when all are."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                return key
            if (found := odd_key(inner)) is not None:
                return found
    if isinstance(value, list | tuple):
        return next((found for inner in value if (found := odd_key(inner)) is not None), None)
    return None


def check_against(flow_schema: Mapping[str, Any], parameters: Mapping[str, Any], *, complete: bool) -> None:
    """Do the parameters fit the flow? A deployment that a schedule starts has to give every required one."""
    problems = schema.check_defaults(flow_schema) + schema.check(flow_schema, parameters)
    missing = [problem for problem in problems if problem.endswith(": missing") and "." not in problem]
    if not complete:
        problems = [problem for problem in problems if problem not in missing]
    if problems:
        hint = None
        if problems == missing:
            hint = "its schedule starts runs with these parameters: give it here, or a default in the flow"
        raise InvalidParameters("; ".join(problems[:5]), field="parameters", hint=hint)
