"""The schema of a flow's parameters: JSON, made at deploy, and enough to check a run at submit without user code."""

import datetime
import json
from pathlib import Path
from typing import Any, Literal

import pytest

from orchestrator import flow
from orchestrator.sdk.errors import ParameterError
from orchestrator.sdk.schema import check, check_defaults, flow_schema
from tests.orchestrator.sdk.test_parameters import BAD, GOOD, Color, Model


@flow
def train(
    n: int,
    taxi: Literal["green", "yellow"] = "green",
    since: datetime.date | None = None,
    model: Model | None = None,
    color: Color = Color.RED,
    out: Path = Path("models"),
    anything=object(),  # type: ignore[no-untyped-def]  # noqa: B008
) -> None: ...


SCHEMA: dict[str, Any] = json.loads(json.dumps(flow_schema(train)))
ENTRIES = {entry["name"]: entry for entry in SCHEMA["parameters"]}


def test_the_schema_lists_name_need_default_type_and_choices() -> None:
    def told(name: str, *keys: str) -> list[Any]:
        return [ENTRIES[name].get(key) for key in keys]

    keys = ("required", "default", "type", "json_type", "choices")
    assert told("n", *keys) == [True, None, "int", "integer", None]
    assert told("taxi", *keys) == [False, "green", 'one of "green", "yellow"', "string", ["green", "yellow"]]
    assert told("since", *keys) == [False, None, "date | None", "string | null", None]
    assert told("color", "default", "choices") == ["red", ["red", 2]]
    assert told("out", "default", "type", "json_type") == ["models", "Path", "string"]
    assert "default" not in ENTRIES["anything"] and "object object" in ENTRIES["anything"]["default_repr"]
    assert SCHEMA["accepts_extra"] is False


def test_a_check_tells_unknown_missing_and_wrong_parameters_at_once() -> None:
    assert check(SCHEMA, {"m": 1, "taxi": "blue", "since": "yesterday", "model": {"depth": "x"}}) == [
        "parameter m: unknown, the flow takes n, taxi, since, model, color, out, anything",
        "parameter n: missing",
        'parameter taxi: expected one of "green", "yellow", got "blue"',
        'parameter since: expected date | None, got "yesterday"',
        "parameter model: expected Model | None, got {'depth': 'x'}",
    ]


def test_what_the_flow_would_take_passes() -> None:
    good = {"n": "3", "taxi": "green", "since": "2024-01-02", "model": {"depth": 1}, "color": "red", "out": "a/b"}
    assert check(SCHEMA, good) == []


def test_extra_parameters_pass_where_the_flow_takes_them() -> None:
    @flow
    def main(n: int = 1, **more: Any) -> None: ...

    assert check(flow_schema(main), {"x": 1}) == []


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def is_json(value: Any) -> bool:
    try:
        return bool(as_json(value) == value)
    except (TypeError, ValueError):
        return False


CASES = [(hint, value) for hint, value, _ in [*GOOD, *BAD] if is_json(value)]


@pytest.mark.parametrize(("hint", "value"), CASES, ids=[f"{hint}-{value}" for hint, value in CASES])
def test_submit_refuses_nothing_that_the_flow_takes(hint: Any, value: Any) -> None:
    def main(p):  # type: ignore[no-untyped-def]
        return None

    main.__annotations__ = {"p": hint}
    checked = flow(main)
    problems = check(as_json(flow_schema(checked)), {"p": value})
    try:
        checked.bind((), {"p": value})
    except ParameterError as error:
        # What only the user's own classes can judge may pass at submit; what is told must be told alike.
        assert not problems or problems == error.problems
    else:
        assert problems == []


def test_a_default_that_does_not_fit_its_own_hint_is_told() -> None:
    @flow
    def main(n: int = "many", day: str = None, ok: float = 1) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    assert check_defaults(flow_schema(main)) == ['default of parameter n: expected int, got "many"']


def test_a_schema_of_a_later_version_checks_nothing_it_does_not_know() -> None:
    schema = {"parameters": [{"name": "n", "required": True, "shape": {"kind": "quaternion"}}, {"name": "m"}]}
    assert check(schema, {"n": 1, "m": 2}) == []
