"""Lines on their way over the disk: nothing is lost, doubled or reordered, and memory stays small."""

import os
import stat
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from agent.logs import backlog, spooling
from orchestrator.store import run_logs
from orchestrator.store.tasks import TaskRecord
from tests.agent.logs.spool_scene import MIB, SpoolScene
from tests.support.waiting import wait_until

Spools = Callable[..., SpoolScene]


def test_lines_are_on_the_disk_before_they_are_in_redis_and_gone_from_it_after_the_run(spool: SpoolScene) -> None:
    run = spool.a_run()
    spool.write(run, 1, 10)
    spool.until_written()
    (file,) = spool.files()
    assert b"10 " in file.read_bytes() and spool.numbers(run) == []
    spool.ship()
    spool.end(run)
    assert spool.numbers(run) == list(range(1, 11)) and spool.files() == []


def test_nobody_else_may_read_them(spool: SpoolScene) -> None:
    spool.write(spool.a_run(), 1, 10)
    spool.until_written()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (spool.disk.path, spool.disk.path.parent, *spool.files())]
    assert modes == [0o700, 0o700, 0o600]


def test_a_run_that_writes_nothing_has_no_file_and_one_that_only_has_tasks_neither(spool: SpoolScene) -> None:
    run = spool.a_run()
    task = TaskRecord(id="t", name="t", attempt=1, state="RUNNING")
    batch = spooling.Batch(run_id=run, token=1, attempt=1, first=1, records=(), tasks=(task,), size=0)
    spool.spooling.put(batch)
    spool.put += 1
    spool.ship()
    assert spool.files() == [] and [found.id for found in spool.store.tasks.read(run)] == ["t"]


def test_an_outage_costs_little_memory_however_much_is_written(spool: SpoolScene) -> None:
    run = spool.a_run()
    for first in range(1, 40_001, 1000):
        spool.write(run, first, 1000, 100)
    spool.until_written()
    written = 40_000 * (100 + 48)
    assert written - spool.freed() <= backlog.MEMORY_BYTES
    spool.ship()
    assert spool.freed() == written and len(spool.files()) >= 1
    assert spool.numbers(run)[0] == 1 and spool.numbers(run)[-1] == 40_000


def test_of_what_waits_on_the_disk_alone_little_stands_nowhere_but_in_the_page_cache(
    spool: SpoolScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    stands: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: stands.append(os.fstat(fd).st_size))
    run = spool.a_run()
    spool.write(run, 1, 10)
    spool.until_written()
    assert stands == [], "what is in memory, too, costs no wait for the disk"
    for first in range(11, 40_011, 1000):
        spool.write(run, first, 1000, 100)
    spool.until_written()
    longest = max(after - before for before, after in pairwise([0, *stands]))
    assert len(stands) > 4 and longest <= MIB + 130_000


def test_small_batches_that_waited_on_the_disk_go_together(spool: SpoolScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MEMORY_BYTES", 0)
    run = spool.a_run()
    for number in range(1, 501):
        spool.write(run, number, 1)
    spool.until_written()
    spool.ship()
    assert spool.numbers(run) == list(range(1, 501))
    assert spool.store.scripts.redis.xlen(spool.store.keys.logs(run)) == 1


def test_lines_in_memory_on_disk_and_in_several_files_keep_their_order(
    spool: SpoolScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "MEMORY_BYTES", 20_000)
    monkeypatch.setattr(spooling, "SEGMENT_BYTES", 30_000)
    runs = [spool.a_run() for _ in range(3)]
    for first in range(1, 1001, 50):
        for run in runs:
            spool.write(run, first, 50, 100)
    spool.until_written()
    assert len(spool.files()) > 9
    spool.shipping.start()
    wait_until(lambda: all(len(spool.numbers(run)) == 1000 for run in runs))
    assert all(spool.numbers(run) == list(range(1, 1001)) for run in runs)


def test_what_redis_has_no_room_for_is_kept_and_named(spool: SpoolScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_logs, "MOST_PER_RUN", 40_000)
    monkeypatch.setattr(run_logs, "HEAD_PER_RUN", 10_000)
    monkeypatch.setattr(spooling, "SEGMENT_BYTES", 30_000)
    run = spool.a_run()
    for first in range(1, 1001, 50):
        spool.write(run, first, 50, 100)
    spool.ship()
    spool.end(run)
    kept = spool.files(spool.disk.kept_path)
    assert spool.files() == [] and {path.name.split(".")[0] for path in kept} == {run}
    assert all(any(f"{number} ".encode() in path.read_bytes() for path in kept) for number in range(1, 1001, 99))
    named = spool.store.records.get(run)
    assert named is not None and named.fields["log_rest"] == f"h:{spool.disk.kept_path}/{run}.*"


def test_what_is_kept_makes_room_oldest_first_and_goes_with_age(spools: Spools) -> None:
    spool = spools(quota=MIB)
    spool.disk.kept_path.mkdir(exist_ok=True)
    for age, name in enumerate(("new", "old", "older")):
        path = spool.disk.kept_path / f"{name}.1.1.1"
        path.write_bytes(bytes(300_000))
        os.utime(path, (path.stat().st_mtime - 1000 * age,) * 2)
    spool.disk.measure_kept()
    run = spool.a_run()
    spool.write(run, 1, 10, 40_000)
    spool.until_written()
    assert [path.name for path in spool.files(spool.disk.kept_path)] == ["new.1.1.1", "old.1.1.1"]
    spool.disk.drop_kept_before(500)
    assert [path.name for path in spool.files(spool.disk.kept_path)] == ["new.1.1.1"]


def test_at_the_quota_lines_stay_in_memory_and_none_is_lost(spools: Spools) -> None:
    spool = spools(quota=MIB)
    run = spool.a_run()
    for first in range(1, 20_001, 1000):
        spool.write(run, first, 1000, 100)
    spool.until_written()
    on_disk = sum(path.stat().st_size for path in spool.files())
    assert MIB / 2 < on_disk <= MIB and spool.freed() < MIB and spool.full() == []
    spool.ship()
    assert spool.numbers(run) == list(range(1, 20_001))


def test_a_refused_attempt_is_dropped_with_its_file(spool: SpoolScene) -> None:
    run = "11111111-1111-4111-8111-111111111111"
    for first in (1, 11, 21):
        spool.write(run, first, 10)
    spool.ship()
    spool.write(run, 31, 10)
    spool.ship()
    assert not any(told.wanted for told in spool.told)
    spool.end(run)
    assert spool.files() == []


def test_an_id_that_is_none_never_becomes_a_path(spool: SpoolScene) -> None:
    spool.write("../../x", 1, 10)
    spool.until_written()
    assert spool.files() == [] and spool.full() == []


def test_a_disk_that_stalls_holds_up_whoever_writes_to_it_and_nobody_else(
    spool: SpoolScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, stalls = threading.Event(), threading.Event()
    write = spooling.write_whole

    def stall(fd: int, data: bytes) -> None:
        stalls.set()
        assert goes_on.wait(20)
        write(fd, data)

    monkeypatch.setattr(spooling, "write_whole", stall)
    run = spool.a_run()
    for first in range(1, 1001, 10):
        spool.write(run, first, 10)
    assert stalls.wait(5) and spool.freed() == 0, "put came back although nothing was written"
    goes_on.set()
    spool.ship()
    assert spool.numbers(run) == list(range(1, 1001))


def test_a_write_that_fails_costs_no_line_and_is_tried_again(
    spool: SpoolScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, fails = spooling.write_whole, [True]

    def fail(fd: int, data: bytes) -> None:
        write(fd, data[:100] if fails[0] else data)
        if fails[0]:
            raise OSError(5, "Input/output error")

    run = spool.a_run()
    spool.write(run, 1, 10)
    spool.until_written()
    monkeypatch.setattr(spooling, "write_whole", fail)
    monkeypatch.setattr(spooling, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(spool.disk, "open", refuse_once_in(fails))
    for first in (11, 21):
        spool.write(run, first, 10)
    wait_until(lambda: spool.full() == [True, False], 10)
    spool.write(run, 31, 10)
    spool.ship()
    assert spool.numbers(run) == list(range(1, 41))


def refuse_once_in(fails: list[bool]) -> Callable[[], Any]:
    """A disk that works from the first look after the failure on."""

    def open_again() -> None:
        fails[0] = False

    return open_again
