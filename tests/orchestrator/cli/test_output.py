"""How rows and records look: for pipes, for terminals wide and narrow, for programs."""

import io
import json
from datetime import UTC, datetime

import pytest

from orchestrator.cli.output import Output

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


def test_people_get_the_times_in_sentences_by_their_own_clock(capsys: pytest.CaptureFixture[str]) -> None:
    told = "it is over since 2026-03-01 09:00:00 UTC, 2026-99-01 09:00:00 UTC is no time"
    Output("text", piped := io.StringIO()).done({}, told)
    Output("text", terminal := Terminal()).done({}, told)
    assert piped.getvalue() == told + "\n"
    assert "09:00:00 UTC, 2026" not in terminal.getvalue() and terminal.getvalue().count("UTC") == 1
    assert Output("text", Terminal()).cell("2026-03-01T09:00:00Z") == Output("text", Terminal()).cell(ROW["at"])
    assert Output("text", piped).cell("2026-03-01T09:00:00Z") == "2026-03-01T09:00:00Z"
    Output("text", terminal).note(told)
    assert capsys.readouterr().err == told + "\n"


def test_a_paragraph_is_wrapped_for_people_and_never_within_a_name() -> None:
    words = ["is late: all slots are taken by", *["direct-budgie-81"] * 9]
    Output("text", piped := io.StringIO()).paragraph("calm-otter-42", " " + " ".join(words))
    assert piped.getvalue().count("\n") == 1
    output = Output("text", terminal := Terminal())
    output.width, output.coloured = 40, False
    output.paragraph("calm-otter-42", " " + " ".join(words))
    lines = terminal.getvalue().splitlines()
    assert all(len(line) <= 40 for line in lines) and sum(line.count("direct-budgie-81") for line in lines) == 9
