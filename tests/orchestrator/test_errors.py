"""Errors carry what every front end shows: code, message, field, hint, exit code."""

import inspect

import pytest

from orchestrator import errors
from orchestrator.errors import HeadgateError, InvalidFlowFile, InvalidSchedule, NotFound, did_you_mean, expected, shown

KINDS = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, HeadgateError)]


def test_an_error_shows_itself_as_json() -> None:
    error = InvalidSchedule("expected x", field="cron", hint="write y")
    assert error.as_json() == {"code": "schedule", "message": "expected x", "field": "cron", "hint": "write y"}
    placed = InvalidFlowFile("no", code="syntax", file="a.py", line=3).as_json()
    assert (placed["code"], placed["file"], placed["line"]) == ("syntax", "a.py", 3)


def test_without_a_message_the_docstring_is_the_message() -> None:
    assert str(NotFound()) == "Nothing has this name or id"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_has_a_sentence_and_an_exit_code(kind: type[HeadgateError]) -> None:
    assert kind.__doc__ and kind.__doc__.split("\n")[0].endswith(".")
    assert kind.exit_code in (1, 2, 3, 4, 5)


def test_what_was_found_is_escaped_and_cut() -> None:
    assert expected("limit", "1 to 5", "2\x1b[0m") == r"expected limit to be 1 to 5, got '2\x1b[0m'"
    assert len(shown("x" * 500)) == 80


def test_showing_a_value_never_raises() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

    assert shown(Hostile()) == "a Hostile"


def test_the_nearest_word_is_found_whatever_its_case() -> None:
    assert did_you_mean("DEPLOYMNET", ["deployment", "flow-run"]) == "did you mean 'deployment'?"
    assert did_you_mean("zzz", ["deployment"]) is None
