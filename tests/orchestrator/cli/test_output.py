"""How rows and records look: for pipes, for terminals wide and narrow, for programs."""

import io
import json
from datetime import UTC, datetime

import pytest

from orchestrator.cli.output import Output, cut, fitted

ROW = {
    "id": "4f6cb5a2-7a0e-4d54-9d0f-33c5f9f5ad10",
    "name": "ml",
    "limit": None,
    "at": datetime(2026, 3, 1, 9, tzinfo=UTC),
}
COLUMNS = {"ID": "id", "Name": "name", "Limit": "limit", "At": "at"}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def printed(form: str, stream: io.StringIO | None = None, row: dict[str, object] = ROW) -> str:
    stream = stream or io.StringIO()
    Output(form, stream).rows([row], COLUMNS, empty="none")
    return stream.getvalue()


def test_a_pipe_gets_tabs_utc_and_whole_ids() -> None:
    assert printed("text") == f"ID\tName\tLimit\tAt\n{ROW['id']}\tml\t-\t2026-03-01T09:00:00Z\n"


def test_json_holds_every_key_and_jsonl_one_row_per_line() -> None:
    assert json.loads(printed("json")) == [{**ROW, "at": "2026-03-01T09:00:00Z"}]
    assert json.loads(printed("jsonl")) == {**ROW, "at": "2026-03-01T09:00:00Z"}
    assert printed("jsonl").count("\n") == 1


def test_a_terminal_gets_aligned_columns_in_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    head, line = printed("text", Terminal()).splitlines()
    assert head.index("Name") == line.index("ml")
    assert "\t" not in line and "\x1b" not in line and "Z" not in line


@pytest.mark.parametrize("variable, value", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours_gets_no_escapes(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" in printed("text", Terminal())
    monkeypatch.setenv(variable, value)
    assert "\x1b" not in printed("text", Terminal())


def test_text_from_elsewhere_can_not_steer_the_terminal() -> None:
    hostile = {**ROW, "name": "a\x1b]0;owned\x07\tb\n\u202ec"}
    for stream in (io.StringIO(), Terminal()):
        shown = printed("text", stream, hostile)
        assert "a\\x1b]0;owned\\x07\\tb\\n\\u202ec" in shown
        assert "\x07" not in shown and "\u202e" not in shown


def test_sentences_values_and_titles_can_not_steer_the_terminal_either(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "a\x1b]0;owned\x07\u202ec"
    output = Output("text", stream := io.StringIO())
    output.done({}, f"Did {hostile}\nand more")
    output.note(f"Warning: {hostile}")
    output.values([hostile])
    output.record({"result": [{hostile: 1}]})
    for text in (stream.getvalue(), capsys.readouterr().err):
        assert "a\\x1b]0;owned\\x07\\u202ec" in text and not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "\nand more\n" in stream.getvalue()


def test_a_list_of_things_with_unlike_fields_is_one_value() -> None:
    for result in ([{"a": 1}, {"b": 2}], [{}, {"b": 2}], [{"a": 1}, 2]):
        for stream in (io.StringIO(), Terminal()):
            Output("text", stream).record({"result": result})
            assert json.loads(stream.getvalue().split(maxsplit=1)[1]) == result


def test_an_empty_list_says_so_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Output("text", stream := io.StringIO()).rows([], COLUMNS, empty="There is nothing.")
    assert stream.getvalue() == "ID\tName\tLimit\tAt\n"
    assert capsys.readouterr().err == "There is nothing.\n"
    Output("json", stream := io.StringIO()).rows([], COLUMNS, empty="There is nothing.")
    assert json.loads(stream.getvalue()) == []


def test_a_record_shows_its_lists_as_tables() -> None:
    record = {"name": "ml", "paused": False, "changes": [{"who": "ann", "what": "limit"}]}
    Output("text", stream := io.StringIO()).record(record)
    assert stream.getvalue() == "Name\tml\nPaused\tno\n\nChanges\nWho\tWhat\nann\tlimit\n"


def test_a_narrow_terminal_shortens_ids_first_and_then_the_widest_text() -> None:
    lines = [["ID", "Name", "Why"], [str(ROW["id"]), "calm-otter-42", "the work queue is at its limit of two runs"]]
    assert fitted(lines, 200) == [36, 13, 42]
    assert fitted(lines, 70) == [8, 13, 42]
    assert sum(fitted(lines, 40)) + 4 == 40
    assert fitted(lines, 20) == [8, 8, 8]


def test_a_cut_id_still_names_its_thing_and_a_cut_text_says_so() -> None:
    assert cut(str(ROW["id"]), 8) == "4f6cb5a2"
    assert cut("calm-otter-42", 8) == "calm-ot…"
