"""Parameters: bound by the signature, converted by the hints, every problem told at once."""

import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict, Union

import pydantic
import pytest

from orchestrator.sdk.errors import ParameterError
from orchestrator.sdk.parameters import Signature
from orchestrator.sdk.shapes import shape_of


class Color(enum.Enum):
    RED = "red"
    TWO = 2


@dataclasses.dataclass
class Model:
    depth: int
    rate: float = 0.1
    tags: list[str] = dataclasses.field(default_factory=list)


class Row(TypedDict):
    id: int
    note: NotRequired[str]


class Point(NamedTuple):
    x: int
    y: int = 0


class Order(pydantic.BaseModel):
    item: str
    count: int = 1


Meters = NewType("Meters", float)
UTC = datetime.UTC

GOOD: list[tuple[Any, Any, Any]] = [
    (int, "3", 3),
    (int, 3.0, 3),
    (int, -(10**30), -(10**30)),
    (float, 3, 3.0),
    (float, "2.5", 2.5),
    (str, "x", "x"),
    (bool, "true", True),
    (bool, 0, False),
    (bool, "No", False),
    (bytes, "ä", "ä".encode()),
    (None, None, None),
    (list[int], ["1", 2], [1, 2]),
    (list[int], (1, 2), [1, 2]),
    (list, [1, "a"], [1, "a"]),
    (Sequence[int], ["1"], [1]),
    (dict[str, int], {"a": "1"}, {"a": 1}),
    (dict[int, float], {"1": 2}, {1: 2.0}),
    (Mapping[str, list[int]], {"a": ["1"]}, {"a": [1]}),
    (tuple[int, str], ["1", "a"], (1, "a")),
    (tuple[int, ...], ["1", "2"], (1, 2)),
    (set[int], ["1", "1"], {1}),
    (frozenset[str], ["a"], frozenset("a")),
    (int | None, None, None),
    (int | None, "3", 3),
    (Optional[int], "3", 3),  # noqa: UP045
    (Union[int, str], "3", "3"),  # noqa: UP007
    (Union[int, str], 3, 3),  # noqa: UP007
    (float | int, 3, 3),
    (Union[datetime.date, str], "2024-02-30", "2024-02-30"),  # noqa: UP007
    (Literal["green", "yellow"], "green", "green"),
    (Literal[1, 2], "2", 2),
    (datetime.datetime, "2024-01-02T03:04:05Z", datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (datetime.date, "2024-01-02", datetime.date(2024, 1, 2)),
    (datetime.time, "03:04", datetime.time(3, 4)),
    (datetime.timedelta, 90, datetime.timedelta(seconds=90)),
    (datetime.timedelta, "1:30:00", datetime.timedelta(minutes=90)),
    (datetime.timedelta, "PT1H30M", datetime.timedelta(minutes=90)),
    (datetime.timedelta, str(datetime.timedelta(days=-2, hours=3)), datetime.timedelta(days=-2, hours=3)),
    (uuid.UUID, "7f1c2f6e-0000-5000-8000-000000000001", uuid.UUID("7f1c2f6e-0000-5000-8000-000000000001")),
    (pathlib.Path, "a/b", pathlib.Path("a/b")),
    (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
    (Color, "red", Color.RED),
    (Color, "RED", Color.RED),
    (Color, "2", Color.TWO),
    (Model, {"depth": "3"}, Model(depth=3)),
    (list[Model], [{"depth": 1, "tags": ["a"]}], [Model(1, tags=["a"])]),
    (Row, {"id": "1"}, {"id": 1}),
    (Point, {"x": "1"}, Point(1)),
    (Point, ["1", 2], Point(1, 2)),
    (Order, {"item": "a", "count": "2"}, Order(item="a", count=2)),
    (Annotated[int, "any note"], "3", 3),
    (Annotated[int, pydantic.Field(gt=0)], "3", 3),
    (Meters, "2", 2.0),
    (Any, object, object),
]

BAD: list[tuple[Any, Any, str]] = [
    (int, "x", 'p: expected int, got "x"'),
    (int, True, "p: expected int, got True"),
    (int, 3.5, "p: expected int, got 3.5"),
    (int, None, "p: expected int, got None"),
    (float, True, "p: expected float, got True"),
    (float, "fast", 'p: expected float, got "fast"'),
    (str, 3, "p: expected str, got 3"),
    (bool, 2, "p: expected bool, got 2"),
    (bool, "maybe", 'p: expected bool, got "maybe"'),
    (bytes, 3, "p: expected bytes, got 3"),
    (list[int], [1, "x", 2, "y"], 'p[1]: expected int, got "x"; p[3]: expected int, got "y"'),
    (list[int], "12", 'p: expected list[int], got "12"'),
    (dict[str, int], {"a": "x"}, 'p["a"]: expected int, got "x"'),
    (dict[int, int], {"a": 1}, 'p["a"] (the key): expected int, got "a"'),
    (tuple[int, str], [1], "p: expected tuple[int, str], got [1]"),
    (set[Any], [[1]], "p: expected set[any], got [[1]]"),
    (int | None, "x", 'p: expected int | None, got "x"'),
    (Literal["a", 1], "b", 'p: expected one of "a", 1, got "b"'),
    (datetime.date, "2024-02-30", 'p: expected date, got "2024-02-30"'),
    (datetime.timedelta, "soon", 'p: expected timedelta, got "soon"'),
    (uuid.UUID, "1", 'p: expected UUID, got "1"'),
    (Color, "blue", 'p: expected one of "red", 2, got "blue"'),
    (Model, {"dept": 1}, "p.dept: unknown to Model; p.depth: missing"),
    (Model, 3, "p: expected Model, got 3"),
    (list[Model], [{"depth": "x"}], 'p[0].depth: expected int, got "x"'),
    (Row, {"id": 1, "noet": 2}, "p.noet: unknown to Row"),
    (Order, {"count": "x"}, "p.item: Field required, got"),
    (Annotated[int, pydantic.Field(gt=0)], 0, "p: Input should be greater than 0, got 0"),
    (datetime.tzinfo, 3, "p: expected tzinfo, got 3"),
]


@pytest.mark.parametrize(("hint", "value", "expected"), GOOD, ids=[f"{hint}-{value}" for hint, value, _ in GOOD])
def test_a_value_that_fits_is_converted(hint: Any, value: Any, expected: Any) -> None:
    problems: list[str] = []
    result = shape_of(hint).convert(value, "p", problems)
    assert problems == []
    assert result == expected and type(result) is type(expected)


@pytest.mark.parametrize(("hint", "value", "message"), BAD, ids=[f"{hint}-{value}" for hint, value, _ in BAD])
def test_a_value_that_does_not_fit_is_told_with_its_place(hint: Any, value: Any, message: str) -> None:
    problems: list[str] = []
    shape_of(hint).convert(value, "p", problems)
    assert message in "; ".join(problems)


def test_a_long_value_is_cut_in_the_message() -> None:
    problems: list[str] = []
    shape_of(int).convert("x" * 1000, "p", problems)
    assert len(problems[0]) < 120


def bind(function: Any, *args: Any, **kwargs: Any) -> Any:
    return Signature(function).bind(args, kwargs).call(function)


def test_every_problem_is_told_at_once() -> None:
    def main(n: int, day: str, *, rate: float = 0.1) -> None: ...

    with pytest.raises(ParameterError) as caught:
        bind(main, "x", rat=1, rate="fast")
    assert caught.value.problems == [
        "parameter rat: unknown, the flow takes n, day, rate",
        "parameter day: missing",
        'parameter n: expected int, got "x"',
        'parameter rate: expected float, got "fast"',
    ]


def test_every_kind_of_parameter_is_bound() -> None:
    def main(a: int, /, b: int, *rest: Any, c: int = 3, **more: Any) -> list[Any]:
        return [a, b, rest, c, more]

    assert bind(main, "1", 2, 3, 4, c="5", d=6) == [1, 2, (3, 4), 5, {"d": 6}]
    assert bind(main, a=1, b="2") == [1, 2, (), 3, {}]


def test_too_many_and_doubled_arguments_are_told() -> None:
    def main(a: int) -> None: ...

    with pytest.raises(ParameterError, match="at most 1 positional arguments, got 2; parameter a: given twice"):
        bind(main, 1, 2, a=3)


def test_none_is_accepted_where_it_is_the_default() -> None:
    def main(date: str = None) -> Any:  # type: ignore[assignment]  # noqa: RUF013
        return date

    assert bind(main, None) is None
    assert bind(main, date=None) is None


def test_hints_as_text_are_looked_up_where_the_function_stands() -> None:
    def main(a: "int | None", b: "Color", c: "nowhere.There") -> Any:  # type: ignore[name-defined]  # noqa: F821
        return [a, b, c]

    assert bind(main, "1", "red", "anything") == [1, Color.RED, "anything"]


def test_a_hint_that_contains_itself_ends() -> None:
    assert shape_of(list["Node"]).kind == "list"  # type: ignore[name-defined]  # noqa: F821
