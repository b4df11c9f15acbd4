"""How tables fit a terminal: what gives way first, and what stays whole."""

from datetime import UTC, datetime, timedelta

import time_machine

from orchestrator.cli.moments import briefly
from orchestrator.cli.tables import Lines, cut, laid_out, total

HEAD = ["ID", "Name", "Deployment", "State", "Start Time", "Agent", "Why"]
ID = "4f6cb5a2-7a0e-4d54-9d0f-33c5f9f5ad10"
LONG, SHORT = "2026-11-30 08:00:00+01:00", "08:00:00+01:00"
WHY = "work queue gpu is full (2/2), 1 run before it"
OTHER = ["calm-otter-42", "train/big-model-for-europe", "Late"]


def table(time: str, why: str = WHY) -> Lines:
    ran = [ID, "tranquil-bittern-07", "etl/nightly", "Completed", time, "gpu-1", "-"]
    return [HEAD, ran, [ID, *OTHER, time, "-", why]]


def shown(room: int, why: str = WHY) -> Lines:
    lines = laid_out(table(LONG, why), lambda: table(SHORT, why), room, ["Agent"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    assert total(widths) <= room
    return lines


def heads(room: int) -> list[str]:
    return shown(room)[0]


def test_with_room_everything_is_whole() -> None:
    assert shown(200) == table(LONG)


def test_ids_are_shortened_first_then_less_needed_columns_go_then_times_lose_their_date() -> None:
    assert shown(154)[1] == [ID[:8], *table(LONG)[1][1:]]
    assert heads(122) == [head for head in HEAD if head != "Agent"] and shown(122)[1][4] == LONG
    assert shown(112)[1][3:5] == ["Completed", SHORT] and heads(112)[3:5] == ["State", "Start"]


def test_the_id_goes_where_there_is_a_name_and_names_of_runs_and_times_stay_whole() -> None:
    for room in (104, 90, 80, 72):
        lines = shown(room)
        assert lines[0] == ["Name", "Deployment", "State", "Start", "Why"]
        assert [line[0] for line in lines[1:]] == ["tranquil-bittern-07", "calm-otter-42"]
        assert {line[3] for line in lines[1:]} == {SHORT}
    assert shown(80)[2][1:] == ["train/big-mod…", "Late", SHORT, "work queue gpu …"]


def test_a_very_long_sentence_costs_no_other_column_its_place() -> None:
    assert shown(154, why="x y" * 5000)[0] == HEAD


def test_very_narrow_terminals_get_eight_letters_of_everything() -> None:
    lines = laid_out(table(LONG), lambda: table(SHORT), 20)
    assert lines[2] == ["calm-ot…", "train/b…", "Late", "08:00:0…", "-", "work qu…"]


def test_a_cut_id_still_names_its_thing_and_a_cut_text_says_so() -> None:
    assert cut(ID, 8) == "4f6cb5a2"
    assert cut("calm-otter-42", 8) == "calm-ot…"


def test_a_time_has_a_date_only_when_that_is_not_of_today() -> None:
    noon = datetime(2026, 6, 15, 12, tzinfo=UTC).astimezone().replace(hour=12)
    with time_machine.travel(noon, tick=False):
        assert briefly(noon) == noon.isoformat()[11:]
        assert briefly(noon - timedelta(days=2)) == (noon - timedelta(days=2)).isoformat(" ", "minutes")[5:]
        assert briefly(noon - timedelta(days=400)).startswith("2025-")
