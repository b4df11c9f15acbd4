"""Parameters on the command line: what is taken, and what is refused before anything is sent."""

import io
import json
from pathlib import Path

import pytest

from orchestrator.cli.failures import CommandError
from orchestrator.cli.parameters import parameters_of


def refusal(*pairs: str, whole: str | None = None) -> str:
    with pytest.raises(CommandError) as caught:
        parameters_of(pairs, whole)
    assert caught.value.failure.exit_code == 2
    return f"{caught.value.failure.field}: {caught.value.failure.message}"


def test_values_are_json_where_they_are_json_and_text_elsewhere() -> None:
    pairs = ["n=3", 'deep={"a": [1, null]}', "date=2026-03-01", "name=a b", 'quoted="3"', "empty=", "eq=a=b"]
    assert parameters_of(pairs, None) == {
        "n": 3, "deep": {"a": [1, None]}, "date": "2026-03-01", "name": "a b", "quoted": "3", "empty": "", "eq": "a=b",
    }  # fmt: skip


def test_single_parameters_win_over_the_whole() -> None:
    assert parameters_of(["b=3"], '{"a": 1, "b": 2}') == {"a": 1, "b": 3}


def test_the_whole_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": 1}'))
    assert parameters_of([], "-") == {"a": 1}


def test_a_value_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    path.write_text("[1, 2]")
    assert parameters_of([f"a=@{path}"], None) == {"a": [1, 2]}


@pytest.mark.parametrize(
    "pairs, said",
    [
        (["a=1", "x"], "-p (number 2): expected key=value, got 'x'"),
        (["=v"], "-p (number 1): expected key=value, got '=v'"),
        (["a=1", "a=2"], "-p (number 2): 'a' was given before, as number 1"),
        (["a=@missing.json"], "-p (number 1): cannot read 'missing.json': No such file"),
        (['a={"b": }'], "-p (number 1): expected JSON, got '{\"b\": }': Expecting value at line 1 column 7"),
        (["a=NaN"], "-p (number 1): expected a finite number, got NaN"),
        (["a=-Infinity"], "-p (number 1): expected a finite number, got -Infinity"),
        (["a=1e400"], "-p (number 1): expected a finite number, got 1e400"),
        (['a={"b": 1, "b": 2}'], "-p (number 1): expected every key once, got 'b' twice"),
    ],
)
def test_a_bad_parameter_is_named_by_its_place(pairs: list[str], said: str) -> None:
    assert refusal(*pairs).startswith(said)


def test_parameters_have_bounds() -> None:
    assert "nested at most 32 deep" in refusal("a=" + "[" * 1000 + "]" * 1000)
    assert "nested at most 32 deep" in refusal("a=" + "[" * 100_000 + "]" * 100_000)
    assert "at most 512 KiB" in refusal("a=" + json.dumps("x" * 600_000))
    assert "at most 512 KiB" in refusal(*(f"a{n}={'x' * 100_000}" for n in range(6)))


def test_the_whole_must_be_an_object() -> None:
    assert refusal(whole="[1]").startswith("--params: expected a JSON object, got '[1]'")
    assert "line 1 column 2" in refusal(whole="{a: 1}")
