"""The proof about lines under cuts and kills, with few runs; and that its judge sees what would be wrong."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store.installation import Store
from orchestrator.store.run_logs import STDOUT, LogRecord
from queues.runs import NewRun
from tests.chaos.line_judge import judge
from tests.chaos.proof import Options, run


@pytest.mark.slow
def test_every_line_is_accounted_for() -> None:
    row, proof = run("n12", Options(seed=5, scale=0.02))
    assert proof.met, row
    assert proof.occurred["agents killed while a run printed"] >= 2 and proof.occurred["cuts"] >= 3
    assert proof.occurred["kept files"] >= 2 and proof.occurred["gaps, each marked"] >= 2


@pytest.fixture
def printed(redis: Any) -> tuple[Store, str]:
    """A completed run with lines 1 to 10 of its only attempt."""
    store, run_id = Store(redis), str(uuid.uuid4())
    store.records.create([NewRun(id=run_id, queue="default", actor="a test")])
    redis.hset(store.keys.run(run_id), mapping={"attempt": 1, "last_line": "1-10"})
    return store, run_id


def write(store: Store, run_id: str, *numbers: int, process: str = "p", shift: int = 0) -> None:
    for number in numbers:
        store.logs.append(run_id, 1, 1, number, [LogRecord(1, STDOUT, 20, f"{process} {number + shift} x")])


def test_a_whole_log_is_not_complained_of(printed: tuple[Store, str], tmp_path: Path) -> None:
    write(*printed, *range(1, 11))
    assert judge(*printed, 10, {(printed[1], 1): 7}, tmp_path).wrong == []


def test_a_gap_whose_lines_nobody_kept_is_seen(printed: tuple[Store, str], tmp_path: Path) -> None:
    write(*printed, 1, 2, 5, 6, 7, 8, 9, 10)
    assert any("neither in Redis nor kept" in one for one in judge(*printed, 10, {}, tmp_path).wrong)


def test_lines_of_two_processes_in_one_attempt_are_seen(printed: tuple[Store, str], tmp_path: Path) -> None:
    write(*printed, *range(1, 6))
    write(*printed, *range(6, 11), process="other")
    assert any("has lines of" in one for one in judge(*printed, 10, {}, tmp_path).wrong)


def test_a_line_that_came_twice_is_seen(printed: tuple[Store, str], tmp_path: Path) -> None:
    write(*printed, *range(1, 6))
    write(*printed, *range(6, 11), shift=-1)
    assert any("says that it is line" in one for one in judge(*printed, 10, {}, tmp_path).wrong)


def test_an_end_that_was_on_the_disk_and_never_came_is_seen(printed: tuple[Store, str], tmp_path: Path) -> None:
    write(*printed, *range(1, 9))
    found = judge(*printed, 10, {(printed[1], 1): 10}, tmp_path).wrong
    assert any("was written up to 10" in one for one in found) and any("ended with 1-8" in one for one in found)
