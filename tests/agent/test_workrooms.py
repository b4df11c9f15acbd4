"""Working folders of runs: named, made by the run itself, removed with all that is in them, swept after a death."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.logs.private_folder import PrivateFolder
from agent.removal import FOLDER, remove_tree
from agent.workrooms import Workrooms
from orchestrator.process.execution import _furnish
from tests.support.waiting import wait_until


def rooms_of(home: Path, agent: str = "a1") -> Workrooms:
    return Workrooms(str(home), "lab", agent)


def test_a_working_folder_is_private_and_shows_what_lies_beside_the_flow(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "__pycache__").mkdir(parents=True)
    (code / "config.yml").write_text("a: 1")
    (code / "data").mkdir()
    room = Path(rooms_of(tmp_path).room("run-1", 2) or "")
    assert room == tmp_path / "work" / "lab" / "a1" / "run-1-2" and not room.exists()
    _furnish(str(room), str(code))
    assert {path.name for path in room.iterdir()} == {"config.yml", "data"} and room.stat().st_mode & 0o777 == 0o700
    assert (room / "config.yml").read_text() == "a: 1"


def test_a_folder_that_somebody_made_before_the_run_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "room").symlink_to(tmp_path)
    with pytest.raises(FileExistsError):
        _furnish(str(tmp_path / "room"), str(tmp_path))


@pytest.mark.parametrize("run_id", ["../../x", "/etc", "a/b", "", ".", "..", "x" * 200, "a\0b", "-rf"])
def test_a_strange_id_never_leads_out_of_the_folder(tmp_path: Path, run_id: str) -> None:
    room = Path(rooms_of(tmp_path).room(run_id, 1) or "")
    assert room.parent == tmp_path / "work" / "lab" / "a1" and room.name.endswith("-1") and len(room.name) < 110


def test_without_a_home_there_is_no_folder() -> None:
    assert Workrooms("", "lab", "a1").room("r1", 1) is None


def test_what_dead_agents_left_goes_and_what_living_ones_use_stays(tmp_path: Path) -> None:
    work = tmp_path / "work" / "lab"
    for name in ("a1/old-1", "dead/old-2", "living/new-1"):
        (work / name / "deep").mkdir(parents=True)
    living = PrivateFolder(work / "living")
    assert living.lock()
    rooms = rooms_of(tmp_path)
    (work / "a1" / "fresh-1").mkdir()
    rooms.start()
    wait_until(lambda: not (work / "a1" / "old-1").exists() and not (work / "dead").exists())
    rooms.leave(5.0)
    assert (work / "a1" / "fresh-1").exists() and (work / "living" / "new-1" / "deep").exists()
    living.close()


def test_a_folder_is_removed_with_whatever_a_flow_has_made_of_it(tmp_path: Path) -> None:
    outside, rooms = tmp_path / "outside", rooms_of(tmp_path)
    (outside / "deep").mkdir(parents=True)
    room = Path(rooms.room("r1", 1) or "")
    (room / "a" / "b" / "c").mkdir(parents=True)
    (room / "a" / "link").symlink_to(outside)
    os.link(__file__, room / "a" / "hard") if os.stat(__file__).st_dev == os.stat(room).st_dev else None
    os.mkfifo(room / "a" / "b" / "pipe")
    (room / "a" / "b").chmod(0)
    rooms.start()
    rooms.remove(str(room))
    wait_until(lambda: not room.exists())
    rooms.leave(5.0)
    assert (outside / "deep").exists() and Path(__file__).exists()


def test_a_deep_tree_is_removed(tmp_path: Path) -> None:
    here, parent = Path.cwd(), os.open(tmp_path, FOLDER)
    (tmp_path / "top").mkdir()
    os.chdir(tmp_path / "top")
    try:
        for _ in range(300):
            os.mkdir("x" * 10)
            os.chdir("x" * 10)
    finally:
        os.chdir(here)
    assert remove_tree("top", parent) and not (tmp_path / "top").exists()
    os.close(parent)
