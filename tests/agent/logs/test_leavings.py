"""What dead agents left on the disk: shipped under its own claim, damage and strangers told apart."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.logs import backlog, spooling
from orchestrator.store import run_logs
from orchestrator.store.run_logs import LOG, LogRecord
from tests.agent.logs.spool_scene import SpoolScene
from tests.support.waiting import wait_until

Spools = Callable[..., SpoolScene]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def left(spools: Spools, monkeypatch: pytest.MonkeyPatch) -> tuple[SpoolScene, str]:
    """A dead agent that had written 100 lines and shipped none."""
    monkeypatch.setattr(backlog, "MEMORY_BYTES", 0)
    dead = spools()
    run = dead.a_run()
    for first in range(1, 101, 10):
        dead.write(run, first, 10)
    dead.until_written()
    dead.die()
    return dead, run


def test_the_next_agent_of_the_name_ships_what_was_left(left: tuple[SpoolScene, str], spools: Spools) -> None:
    _, run = left
    heir = spools()
    heir.leavings().look()
    assert heir.numbers(run) == list(range(1, 101)) and heir.files() == []


def test_an_agent_of_another_name_does_too_and_clears_the_folder_away(
    left: tuple[SpoolScene, str], spools: Spools
) -> None:
    dead, run = left
    heir = spools(agent="b2")
    heir.leavings().look()
    assert heir.numbers(run) == list(range(1, 101)) and not dead.disk.path.exists()


def test_what_a_living_agent_writes_is_left_to_it(spools: Spools) -> None:
    living, other = spools(), spools(agent="b2")
    run = living.a_run()
    living.write(run, 1, 10)
    living.until_written()
    other.leavings().look()
    assert len(living.files()) == 1 and other.numbers(run) == []


def test_two_agents_never_hold_one_folder(spools: Spools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "RETRY_SECONDS", 0.05)
    first, second = spools(), spools()
    assert not first.spooling.full and second.spooling.full
    first.die()
    wait_until(lambda: not second.spooling.full, 10)


def test_lines_of_a_run_that_runs_elsewhere_meanwhile_come_before_those_of_its_new_attempt(
    left: tuple[SpoolScene, str], spools: Spools
) -> None:
    _, run = left
    heir = spools()
    keys, redis = heir.store.keys, heir.store.scripts.redis
    redis.hset(keys.run(run), mapping={"state": "RUNNING", "attempt": 2, "token": 9})
    heir.store.logs.append(run, 9, 2, 1, [LogRecord(1, LOG, 20, f"{number} new") for number in (1, 2, 3)])
    heir.leavings().look()
    assert heir.numbers(run) == list(range(1, 101)) and heir.numbers(run, attempt=2) == [1, 2, 3]
    assert [line.at.attempt for line in heir.store.logs.read(run)] == [1] * 100 + [2] * 3


def test_lines_of_a_claim_that_lost_its_attempt_to_another_are_refused(
    left: tuple[SpoolScene, str], spools: Spools
) -> None:
    _, run = left
    heir = spools()
    heir.store.scripts.redis.hset(heir.store.keys.run(run), mapping={"state": "RUNNING", "attempt": 1, "token": 9})
    heir.leavings().look()
    assert heir.numbers(run) == [] and heir.files() == []


def test_what_redis_knows_is_not_sent_again(left: tuple[SpoolScene, str], spools: Spools) -> None:
    _, run = left
    heir = spools()
    heir.store.logs.append(run, 1, 1, 1, [LogRecord(1, LOG, 20, f"{number} x") for number in range(1, 56)])
    heir.leavings().look()
    assert heir.numbers(run) == list(range(1, 101))


def test_left_lines_that_redis_has_no_room_for_are_kept(
    left: tuple[SpoolScene, str], spools: Spools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_logs, "MOST_PER_RUN", 300)
    monkeypatch.setattr(run_logs, "HEAD_PER_RUN", 100)
    monkeypatch.setattr("agent.logs.shipping.READ_BYTES", 200)
    monkeypatch.setattr("agent.logs.leavings.READ_BYTES", 200)
    _, run = left
    heir = spools()
    heir.leavings().look()
    assert heir.files() == [] and [path.name for path in heir.files(heir.disk.kept_path)] == [f"{run}.1.1.1"]


@pytest.mark.parametrize(("lost", "lines"), [(1, 90), (50, 90), (200, 70)])
def test_a_half_written_last_frame_costs_only_its_own_lines(
    left: tuple[SpoolScene, str], spools: Spools, lost: int, lines: int
) -> None:
    dead, run = left
    (file,) = dead.files()
    os.truncate(file, file.stat().st_size - lost)
    heir = spools()
    heir.leavings().look()
    assert heir.numbers(run) == list(range(1, len(heir.numbers(run)) + 1))
    assert len(heir.numbers(run)) in (lines, lines + 10) and heir.files() == []


def test_a_damaged_frame_ends_what_is_read(left: tuple[SpoolScene, str], spools: Spools) -> None:
    dead, run = left
    (file,) = dead.files()
    content = bytearray(file.read_bytes())
    content[content.index(b"55 ")] ^= 1
    file.write_bytes(content)
    heir = spools()
    heir.leavings().look()
    assert heir.numbers(run) == list(range(1, 51))


def test_a_file_of_another_version_is_left_alone_and_named(
    left: tuple[SpoolScene, str], spools: Spools, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, run = left
    (file,) = dead.files()
    content = file.read_bytes()
    file.write_bytes(content[:7] + b"\x02" + content[8:])
    heir = spools(agent="b2")
    leavings = heir.leavings()
    for _ in range(2):
        leavings.look()
    assert heir.numbers(run) == [] and dead.files() == [file]
    told = capsys.readouterr()
    assert (told.out + told.err).count("version 2") == 1


@as_root
def test_files_and_folders_of_another_user_are_left_alone_and_named(
    left: tuple[SpoolScene, str], spools: Spools, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, run = left
    os.chown(dead.files()[0], 12345, 12345)
    heir = spools(agent="b2")
    heir.leavings().look()
    os.chown(dead.disk.path, 12345, 12345)
    heir.leavings().look()
    assert heir.numbers(run) == [] and len(dead.files()) == 1
    told = capsys.readouterr()
    assert (told.out + told.err).count("belongs to user 12345") == 2


@as_root
def test_a_spool_that_is_another_users_is_never_written_to_and_nothing_is_claimed(spools: Spools) -> None:
    first = spools()
    first.die()
    os.chown(first.disk.path, 12345, 12345)
    assert spools().spooling.full


def test_a_link_in_place_of_the_folder_is_not_followed(spools: Spools, tmp_path: Path) -> None:
    first = spools()
    first.die()
    for path in first.disk.path.iterdir():
        path.unlink()
    first.disk.path.rmdir()
    (tmp_path / "elsewhere").mkdir()
    first.disk.path.symlink_to(tmp_path / "elsewhere")
    assert spools().spooling.full and list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_somebody_removed_is_made_again(spools: Spools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "RETRY_SECONDS", 0.05)
    spool = spools()
    for path in spool.disk.path.iterdir():
        path.unlink()
    spool.disk.path.rmdir()
    run = spool.a_run()
    spool.write(run, 1, 10)
    wait_until(lambda: spool.full() == [True, False])
    spool.ship()
    assert spool.numbers(run) == list(range(1, 11))
