"""`headgate work-queue` and `agent`: what is printed, and what a refused command leaves behind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from orchestrator.runs import run_name, scheduled_run_id
from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import NEW_YORK, Worker, silence, spec

QUEUE_KEYS = ["id", "name", "concurrency_limit", "paused", "priority", "queued", "running", "late", "agents"]
QUEUE_KEYS += ["limit_until"]
AGENT_KEYS = ["id", "name", "host", "pid", "queues", "limit", "running", "state", "last_heartbeat", "preparing"]
PREVIEW_KEYS = ["scheduled_start_time", "run_id", "name", "deployment_id", "deployment", "late", "state", "why"]


def test_the_default_queue_always_exists(headgate: Headgate) -> None:
    (queue,) = headgate.json("work-queue", "ls")
    assert list(queue) == QUEUE_KEYS
    assert (queue["name"], queue["concurrency_limit"], queue["paused"]) == ("default", None, False)


def test_a_created_queue_is_listed_under_the_titles_of_the_field(headgate: Headgate) -> None:
    made = headgate("work-queue", "create", "ml", "--limit", "3", "--priority", "2", "--lease", "45").out
    head, *lines = [line.split("\t") for line in headgate("work-queue", "ls").out.splitlines()]
    assert head[:4] == ["ID", "Name", "Concurrency Limit", "State"]
    row = next(dict(zip(head, line, strict=True)) for line in lines if line[1] == "ml")
    assert made == f"Created work queue ml (at most 3 at once), id {row['ID']}\n"
    assert (row["Concurrency Limit"], row["State"], row["Priority"]) == ("3", "no agent", "2")
    assert headgate.json("work-queue", "inspect", "ml")["lease_seconds"] == 45


def test_a_queue_is_found_by_name_id_and_the_start_of_its_id(headgate: Headgate, opened: Any) -> None:
    made = opened.create_work_queue("ml")
    for ref in ("ml", made.id, made.id[:8]):
        assert headgate.json("work-queue", "inspect", ref)["id"] == made.id


def test_an_unknown_queue_is_answered_with_the_nearest_name(headgate: Headgate, opened: Any, contents: Any) -> None:
    opened.create_work_queue("training")
    before = contents()
    for verb in (["inspect"], ["pause"], ["preview"]):
        answer = headgate("work-queue", *verb, "trainig", code=3)
        assert answer.out == "" and "'trainig'" in answer.err and "training" in answer.err
    error = headgate("work-queue", "set-concurrency-limit", "nope", "3", "-o", "json", code=3).error()
    assert error["code"] == "not-found" and "`headgate work-queue create NAME`" in str(error["hint"])
    assert contents() == before


def test_an_ambiguous_start_of_an_id_lists_what_it_fits(headgate: Headgate, opened: Any) -> None:
    ids = [opened.create_work_queue(f"q{number}").id for number in range(20)]
    first = next(letter for letter in "0123456789abcdef" if sum(found.startswith(letter) for found in ids) > 1)
    answer = headgate("work-queue", "inspect", first, code=2)
    assert all(f"q{number}" in answer.err for number, found in enumerate(ids) if found.startswith(first))


def test_creating_a_queue_twice_is_refused_and_changes_nothing(headgate: Headgate, opened: Any, contents: Any) -> None:
    opened.create_work_queue("ml", limit=3)
    before = contents()
    answer = headgate("work-queue", "create", "ml", "--limit", "4", code=4)
    assert answer.err.startswith("Error: the work queue 'ml' exists already; `headgate work-queue inspect ml` shows it")
    assert contents() == before


def test_pause_resume_and_limits_are_shown_and_recorded(headgate: Headgate, opened: Any) -> None:
    opened.create_work_queue("ml")
    assert headgate("work-queue", "pause", "ml").out.startswith("Paused work queue ml")
    assert opened.get_work_queue("ml").paused and "\tpaused\t" in headgate("work-queue", "ls").out
    assert headgate("work-queue", "resume", "ml").out.startswith("Resumed work queue ml")
    assert "at most 7 at once" in headgate("work-queue", "set-concurrency-limit", "ml", "7").out
    assert opened.get_work_queue("ml").concurrency_limit == 7
    assert "no limit" in headgate("work-queue", "clear-concurrency-limit", "ml").out
    changes = headgate.json("work-queue", "inspect", "ml")["changes"]
    assert [change["what"] for change in changes] == ["limit", "limit", "paused", "paused", "created"]
    assert {"at", "who", "what", "old", "new"} == set(changes[0])


def test_every_change_answers_programs_with_the_queue(headgate: Headgate) -> None:
    for words in (
        ["create", "ml"],
        ["pause", "ml"],
        ["resume", "ml"],
        ["set-concurrency-limit", "ml", "3"],
        ["clear-concurrency-limit", "ml"],
    ):
        assert list(headgate.json("work-queue", *words)) == QUEUE_KEYS


def test_an_empty_preview_says_so_on_stderr(headgate: Headgate) -> None:
    answer = headgate("work-queue", "preview", "default")
    assert answer.out.split("\n")[0].split("\t")[:4] == ["Scheduled Start Time", "Run ID", "Name", "Deployment ID"]
    assert "Nothing waits on default" in answer.err
    assert headgate.json("work-queue", "preview", "default") == []


def test_the_preview_shows_what_a_schedule_will_make_in_summer_and_in_winter(headgate: Headgate, opened: Any) -> None:
    made = opened.create_from_spec(spec(NEW_YORK))
    waiting = opened.run_deployment("score/nightly")
    first, *coming = headgate.json("work-queue", "preview", "default", "--hours", "8760")
    assert list(first) == PREVIEW_KEYS and first["run_id"] == waiting.id
    assert {run["scheduled_start_time"][8:19] for run in coming} == {"15T13:00:00", "15T14:00:00"}
    instant = datetime.fromisoformat(coming[0]["scheduled_start_time"])
    (schedule,) = opened.get_deployment(made.id).schedules
    assert coming[0]["run_id"] == scheduled_run_id(made.id, schedule.slug, instant)
    assert coming[0]["name"] == run_name(coming[0]["run_id"])


def test_no_agent_is_an_empty_list_and_an_unknown_one_is_not_found(headgate: Headgate) -> None:
    assert headgate.json("agent", "ls") == []
    for verb in ("inspect", "drain"):
        assert "'nobody'" in headgate("agent", verb, "nobody", code=3).err


def test_asking_a_lost_agent_says_that_it_may_never_learn_it(headgate: Headgate, opened: Any, store: Any) -> None:
    Worker(store, "ant")
    silence(store, "ant", 100)
    answer = headgate("agent", "drain", "ant")
    assert answer.err.startswith("Warning: it has not been heard of since ")
    (change,) = headgate.json("agent", "inspect", "ant")["changes"]
    assert (change["what"], change["new"]) == ("request", "drain")


def test_an_agent_on_an_unknown_queue_is_refused_and_makes_nothing(
    headgate: Headgate, opened: Any, contents: Any
) -> None:
    opened.create_work_queue("training")
    before = contents()
    answer = headgate("agent", "start", "-q", "trainig", code=3)
    assert "training" in answer.err and "--create-queues" in answer.err
    assert contents() == before


@pytest.mark.parametrize("words", [["--limit", "0"], ["--limit", "1e3"], ["--name", "A b"]])
def test_bad_options_of_an_agent_are_refused_without_redis(offline: Headgate, words: list[str]) -> None:
    assert "expected" in offline("agent", "start", *words, code=2).err


def test_a_limit_for_a_time_is_shown_with_its_end_and_what_comes_then(headgate: Headgate, opened: Any) -> None:
    opened.create_work_queue("ml", limit=3)
    answer = headgate("work-queue", "set-concurrency-limit", "ml", "6", "--for", "2h")
    told = answer.out
    assert answer.err == "Warning: no scheduler is running, which sets it back; `headgate scheduler start`\n"
    (queue,) = [queue for queue in headgate.json("work-queue", "ls") if queue["name"] == "ml"]
    ends = queue["limit_until"].partition(".")[0]
    assert told.startswith(f"Work queue ml: at most 6 at once, until {ends}") and "then at most 3 at once" in told
    assert headgate.json("work-queue", "inspect", "ml")["limit_then"] == 3
    assert "anyway" in headgate("work-queue", "set-concurrency-limit", "ml", "3", "--for", "2h").err
    for wrong in ("0", "-1h", "soon", "1e3", "400d"):
        assert (
            "expected a duration"
            in headgate("work-queue", "set-concurrency-limit", "ml", "6", "--for", wrong, code=2).err
        )
    assert opened.get_work_queue("ml").limit_until is None and opened.get_work_queue("ml").concurrency_limit == 3
