"""A flow's parameters as JSON for its deployment, and the check of a run's parameters against that, without user code.

Not on the path of a flow's process: made when a flow is deployed, read when a run is submitted.
"""

import datetime
import decimal
import json
import pathlib
import uuid
from collections.abc import Mapping
from typing import Any

from orchestrator.sdk.flows import Flow
from orchestrator.sdk.parameters import NOTHING, unknown_parameter
from orchestrator.sdk.results import plain
from orchestrator.sdk.shapes import ANY, Shape, shape_of

_JSON_TYPES = {
    "int": "integer",
    "float": "number",
    "Decimal": "number",
    "bool": "boolean",
    "None": "null",
    "list": "array",
    "set": "array",
    "frozenset": "array",
    "tuple": "array",
    "tuple of": "array",
    "namedtuple": "array",
    "dict": "object",
    "dataclass": "object",
    "typeddict": "object",
    "model": "object",
    "any": "any",
    "instance": "any",
}
_CLASSES: dict[str, type] = {
    "datetime": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
    "UUID": uuid.UUID,
    "Decimal": decimal.Decimal,
    "Path": pathlib.PurePath,
}


def flow_schema(flow: Flow) -> dict[str, Any]:
    """The JSON-able schema of a flow: `parameters`, each with name, required, type, json_type, and `accepts_extra`.

    `default` stands where it is JSON, `default_repr` where there is one that is not, `choices` for enums and literals.
    """
    signature = flow.signature
    hints = signature.hints()
    parameters = [_parameter(name, hints.get(name, NOTHING), signature.defaults) for name in signature.names]
    return {"parameters": parameters, "accepts_extra": signature.var_keyword is not None}


def _parameter(name: str, hint: object, defaults: Mapping[str, object]) -> dict[str, Any]:
    shape = ANY if hint is NOTHING else shape_of(hint)
    entry: dict[str, Any] = {"name": name, "required": name not in defaults, "type": shape.text}
    entry |= {"json_type": _json_type(shape), "shape": _as_json(shape)}
    choices = _choices(shape)
    if choices:
        entry["choices"] = choices
    if name in defaults:
        entry |= _default(defaults[name])
    return entry


def _default(value: object) -> dict[str, Any]:
    try:
        return {"default": json.loads(json.dumps(value, default=plain, allow_nan=False))}
    except (TypeError, ValueError):
        return {"default_repr": repr(value)[:200]}


def check(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """One sentence for each parameter that is unknown, missing or of the wrong type; an empty list when all is well."""
    known = {entry["name"]: entry for entry in schema.get("parameters", ())}
    problems = []
    for name in parameters:
        if name not in known and not schema.get("accepts_extra"):
            problems.append(unknown_parameter(name, known))
    for name, entry in known.items():
        if name not in parameters:
            problems += [f"parameter {name}: missing"] if entry.get("required") else []
            continue
        value = parameters[name]
        if not ("default" in entry and entry["default"] == value and type(entry["default"]) is type(value)):
            _from_json(entry.get("shape")).convert(value, f"parameter {name}", problems)
    return problems


def check_defaults(schema: Mapping[str, Any]) -> list[str]:
    """One sentence for each default that does not fit its own type hint (None always does)."""
    problems: list[str] = []
    for entry in schema.get("parameters", ()):
        if entry.get("default") is not None:
            _from_json(entry.get("shape")).convert(entry["default"], f"default of parameter {entry['name']}", problems)
    return problems


def _json_type(shape: Shape) -> str:
    if shape.kind == "union":
        kinds = list(dict.fromkeys(_json_type(inner) for inner in shape.inner))
        return " | ".join(kinds)
    if shape.kind in ("literal", "enum"):
        numbers = all(isinstance(choice, int | float) for choice in shape.choices)
        return "number" if numbers and shape.choices else "string"
    return _JSON_TYPES.get(shape.kind, "string")


def _choices(shape: Shape) -> list[Any]:
    values = list(shape.choices)
    for inner in shape.inner if shape.kind == "union" else ():
        values += _choices(inner)
    return [value if isinstance(value, str | int | float | bool | None) else str(value) for value in values]


def _as_json(shape: Shape) -> dict[str, Any]:
    result: dict[str, Any] = {"kind": shape.kind, "text": shape.text}
    if shape.inner:
        result["inner"] = [_as_json(inner) for inner in shape.inner]
    if shape.choices:
        result["choices"] = _choices(Shape(shape.kind, choices=shape.choices))
    if shape.kind == "enum" and shape.cls is not None:  # the flow takes a member's name as well as its value
        result["choices"] += [name for name in shape.cls.__members__ if name not in result["choices"]]
    if shape.fields:
        result["fields"] = {name: [_as_json(inner), required] for name, (inner, required) in shape.fields.items()}
    return result


def _from_json(data: Mapping[str, Any] | None) -> Shape:
    """The shape in a schema; a kind of a later version checks nothing."""
    if not data:
        return ANY
    kind = str(data.get("kind"))
    return Shape(
        kind,
        data.get("text"),
        inner=tuple(_from_json(inner) for inner in data.get("inner", ())),
        cls=_CLASSES.get(kind),
        choices=tuple(data.get("choices", ())),
        fields={
            name: (_from_json(inner), bool(required)) for name, (inner, required) in data.get("fields", {}).items()
        },
    )
