"""Slots, limits of tags or for a time, clearing and deleting queues: what is printed, asked, refused, left alone."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import Worker, spec
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

SLOTS_KEYS = ["id", "name", "concurrency_limit", "running", "free", "holders"]
SLOT_KEYS = ["run_id", "name", "state", "agent", "host", "since", "lease_until", "lease_left_seconds"]
TAG_KEYS = ["tag", "concurrency_limit", "running", "parked"]


@pytest.fixture
def busy(opened: Any, store: Any) -> list[Any]:
    """The queue ml with 4 slots: one run of a deployment with the tag gpu runs, two are parked under its limit."""
    opened.create_work_queue("ml", limit=4)
    opened.set_tag_limit("gpu", 1)
    opened.create_from_spec(spec(work_queue="ml", tags=["gpu"]))
    runs = [opened.run_deployment("nightly") for _ in range(3)]
    worker = Worker(store, "box-7", ("ml",))
    worker.start()
    worker.claim()
    return runs


def test_each_slot_is_a_row_with_its_host_and_free_ones_are_counted(headgate: Headgate, busy: list[Any]) -> None:
    answer = headgate("work-queue", "slots", "ml")
    head, row = [line.split("\t") for line in answer.out.splitlines()]
    assert head == ["Run ID", "Name", "State", "Agent", "Host", "Since", "Lease Left"]
    assert row[0] == busy[0].id and row[2:5] == ["RUNNING", "box-7", os.uname().nodename] and row[6].endswith(" s")
    assert answer.err == "ml: 1 of 4 slots taken, 3 free.\n"
    found = headgate.json("work-queue", "slots", "ml")
    assert list(found) == SLOTS_KEYS and list(found["holders"][0]) == SLOT_KEYS


def test_an_idle_queue_has_no_rows_of_slots(headgate: Headgate) -> None:
    answer = headgate("work-queue", "slots", "default")
    assert len(answer.out.splitlines()) == 1 and answer.err == "default: 0 running, no limit.\n"


def test_clearing_is_tried_refused_and_done(headgate: Headgate, opened: Any, busy: list[Any], contents: Any) -> None:
    before = contents()
    assert headgate("work-queue", "clear", "ml", "--dry-run").out == (
        "Would cancel 2 waiting flow runs of work queue ml\n"
    )
    assert "--yes does it" in headgate("work-queue", "clear", "ml", code=2).err
    assert "one of QUEUED, SCHEDULED" in headgate("work-queue", "clear", "ml", "-s", "RUNNING", "-y", code=2).err
    assert headgate("work-queue", "clear", "ml", "-s", "SCHEDULED").out.startswith("Nothing waits on work queue ml")
    assert contents() == before
    done = headgate.json("work-queue", "clear", "ml", "--yes")
    assert (list(done), done["cancelled"]) == (["id", "name", "waiting", "cancelled"], 2)
    assert [opened.get_flow_run(run.id).state for run in busy] == ["RUNNING", "CANCELLED", "CANCELLED"]


@pytest.mark.parametrize(("key", "code", "left"), [("n", 1, 2), ("y", 0, 0)])
def test_a_terminal_is_asked_before_a_queue_is_cleared(
    headgate: Headgate, opened: Any, busy: list[Any], key: str, code: int, left: int
) -> None:
    command = headgate.command(["work-queue", "clear", "ml"])
    with Terminal(command, environment=headgate.environment, folder=headgate.folder) as terminal:
        terminal.shows("Cancel 2 waiting flow runs of work queue ml? [y/N]")
        terminal.press(f"{key}\n")
        assert terminal.ends() == code, terminal.screen()
    assert opened.get_work_queue("ml").queued == left


def test_a_queue_that_is_needed_is_not_deleted(headgate: Headgate, busy: list[Any], contents: Any) -> None:
    before = contents()
    for more in (["--yes"], ["--dry-run"], []):
        answer = headgate("work-queue", "delete", "ml", *more, code=4)
        assert "needed by flow runs (2 waiting and 1 running), the deployment score/nightly" in answer.err
        assert "`headgate deployment set-work-queue score/nightly QUEUE --waiting`" in answer.err
    assert "always exists" in headgate("work-queue", "delete", "default", "--yes", code=4).err
    assert headgate("work-queue", "delete", "mll", "-y", "-o", "json", code=3).error()["code"] == "not-found"
    assert contents() == before


def test_an_unused_queue_is_deleted_after_a_question(headgate: Headgate, opened: Any, contents: Any) -> None:
    opened.create_work_queue("ml", limit=4)
    before = contents()
    assert headgate("work-queue", "delete", "ml", "--dry-run").out == "Would delete work queue ml\n"
    assert headgate("work-queue", "delete", "ml", "-o", "json", code=2).error()["code"] == "not-confirmed"
    assert contents() == before
    assert headgate.json("work-queue", "delete", "ml", "--yes")["listening_agents"] == []
    assert [queue.name for queue in opened.list_work_queues()] == ["default"]


def test_the_limit_of_a_tag_is_set_listed_shown_and_deleted(
    headgate: Headgate, opened: Any, busy: list[Any], contents: Any
) -> None:
    assert headgate("concurrency-limit", "create", "gpu", "2").out == (
        "Tag gpu: limit updated, at most 2 at once (was 1), 1 running now\n"
    )
    assert headgate("concurrency-limit", "ls").out == "Tag\tConcurrency Limit\tRunning\tParked\ngpu\t2\t1\t1\n"
    shown = headgate.json("concurrency-limit", "inspect", "gpu")
    assert list(shown) == [*TAG_KEYS, "deployments", "holders", "changes"] and list(shown["holders"][0]) == SLOT_KEYS
    before = contents()
    assert "the nearest are gpu" in headgate("concurrency-limit", "inspect", "gpuu", code=3).err
    assert headgate("concurrency-limit", "delete", "gpu", "--dry-run").out.startswith("Would delete the limit of tag")
    assert "nothing was changed" in headgate("concurrency-limit", "delete", "gpu", code=2).err
    assert contents() == before
    assert list(headgate.json("concurrency-limit", "delete", "gpu", "-y")) == TAG_KEYS
    assert opened.list_tag_limits() == []


def test_without_limits_of_tags_the_list_says_how_one_is_made(headgate: Headgate) -> None:
    answer = headgate("concurrency-limit", "ls")
    assert "`headgate concurrency-limit create TAG LIMIT`" in answer.err
    assert list(headgate.json("concurrency-limit", "create", "gpu", "2")) == [*TAG_KEYS, "status", "before"]


REFUSED = [
    (["work-queue", "slots", "a{b}c"], "1 to 128 of a-z"),
    (["work-queue", "clear", "*", "--yes"], "1 to 128 of a-z"),
    (["work-queue", "delete", "../x", "--yes"], "1 to 128 of a-z"),
    (["concurrency-limit", "create", "Q", "2"], "1 to 128 of a-z"),
    (["concurrency-limit", "create", "gpu", "0"], "from 1 to 10000"),
    (["concurrency-limit", "create", "gpu", "٣"], "from 1 to 10000"),
    (["concurrency-limit", "delete", "a b", "--yes"], "1 to 128 of a-z"),
]


def test_bad_names_and_limits_are_refused_by_the_newer_verbs_too(offline: Headgate) -> None:
    for words, allowed in REFUSED:
        answer = offline(*words, code=2)
        assert allowed in answer.err and answer.out == "", words


def test_a_name_in_capitals_is_not_taken_for_the_queue_it_resembles(
    headgate: Headgate, opened: Any, contents: Any
) -> None:
    opened.create_work_queue("q")
    before = contents()
    for words in (["create", "Q"], ["pause", "Q"], ["set-concurrency-limit", "Q", "3"]):
        assert "1 to 128 of a-z" in headgate("work-queue", *words, code=2).err
    assert contents() == before


@pytest.mark.slow
def test_a_limit_for_a_time_outlives_the_scheduler_that_was_there(
    headgate: Headgate, opened: Any, running: list[subprocess.Popen[Any]]
) -> None:
    def scheduler() -> subprocess.Popen[Any]:
        command = headgate.command(["scheduler", "start"])
        process = subprocess.Popen(command, env=headgate.environment, cwd=headgate.folder, stderr=subprocess.DEVNULL)
        running.append(process)
        return process

    opened.create_work_queue("ml", limit=3)
    first = scheduler()
    headgate("work-queue", "set-concurrency-limit", "ml", "6", "--for", "4s")
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    scheduler()
    wait_until(lambda: opened.get_work_queue("ml").concurrency_limit == 3, within=40)
    assert opened.get_work_queue("ml").changes[0].who == "scheduler"
