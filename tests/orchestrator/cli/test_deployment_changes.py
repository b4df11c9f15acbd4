"""`headgate deployment preview|pause|resume|set-work-queue|delete` and `headgate flow`, as their users see them."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.schedules import CronSchedule
from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import HOURLY, Worker, spec
from tests.support.terminal import Terminal

PREVIEW = ["scheduled_start_time", "run_id", "name", "deployment_id", "deployment", "late", "state"]
PREVIEW += ["why", "schedule", "local_start_time", "note"]
MOVED = {"id", "name", "work_queue", "previous_work_queue", "changed", "revision", "moved_runs", "waiting_elsewhere"}
SCHEMA = {"parameters": [{"name": "date", "required": True, "type": "str"}], "accepts_extra": False}


@pytest.fixture
def deployed(opened: Any) -> Any:
    """A client with the deployment score/nightly, every hour, and the empty work queue gpu."""
    opened.create_work_queue("gpu")
    opened.create_from_spec(spec(HOURLY))
    return opened


def test_a_preview_has_keys_that_scripts_rely_on_and_titles_that_stay(headgate: Headgate, deployed: Any) -> None:
    rows = headgate.json("deployment", "preview", "score/nightly", "-n", "3")
    assert [list(row) for row in rows] == [PREVIEW] * 3
    lines = headgate("deployment", "preview", "nightly", "--hours", "2").out.splitlines()
    assert lines[0] == "Scheduled Start Time\tRun ID\tName\tSchedule\tOn Its Clock\tState\tWhy\tNote"
    assert len(lines) == 3 and lines[1].split("\t")[1] == rows[0]["run_id"]


def test_a_preview_says_what_keeps_runs_from_coming(headgate: Headgate, deployed: Any) -> None:
    deployed.create_from_spec(spec(name="by-hand"))
    deployed.pause_deployment("nightly")
    deployed.pause_work_queue("default")
    paused = headgate("deployment", "preview", "nightly")
    assert "`headgate deployment resume score/nightly`" in paused.err and paused.out.count("\n") == 1
    deployed.run_deployment("nightly")
    waiting = headgate("deployment", "preview", "nightly")
    assert "Queued\twork queue default is paused" in waiting.out and "work queue default is paused" in waiting.err
    assert "no schedule: it runs when asked to" in headgate("deployment", "preview", "by-hand").err


def test_a_preview_lists_both_days_on_which_the_clock_changes(headgate: Headgate, deployed: Any) -> None:
    deployed.create_from_spec(spec(CronSchedule("30 2 * * *", timezone="Europe/Paris"), name="paris"))
    rows = headgate.json("deployment", "preview", "paris", "--hours", "8784")
    notes = {row["local_start_time"][11:]: row["note"] for row in rows if row["note"]}
    assert "does not exist in Europe/Paris: that run starts at 03:00" in notes["03:00:00+02:00"]
    assert "comes twice in Europe/Paris: it runs once, the first time" in notes["02:30:00+02:00"]


@pytest.mark.parametrize(
    "words",
    [
        ["preview", "a/b", "--hours", "0"],
        ["preview", "a/b", "--hours", "1", "-n", "1"],
        ["preview", "a/b", "-n", "5001"],
        ["set-work-queue", "a/b"],
        ["set-work-queue", "a/b", "GPU"],
        ["pause"],
    ],
)
def test_what_is_asked_wrongly_is_refused_without_redis(offline: Headgate, words: list[str]) -> None:
    assert offline("deployment", *words, code=2).err.startswith("Error: ")


def test_a_pause_and_a_resume_say_what_they_did_and_are_recorded(headgate: Headgate, deployed: Any) -> None:
    deployed.run_deployment("nightly")
    paused = headgate("deployment", "pause", "nightly")
    assert paused.out.startswith("Paused score/nightly: its schedules make no runs until `headgate deployment resume")
    assert "1 run waits already and goes on" in paused.err
    assert "is paused already" in headgate("deployment", "pause", "nightly").out
    assert headgate.json("deployment", "ls")[0]["paused"]
    resumed = headgate.json("deployment", "resume", "nightly")
    assert (resumed["changed"], resumed["paused"], resumed["skipped_instants"]) == (True, False, 0)
    assert headgate("deployment", "resume", "nightly").out.startswith("score/nightly is not paused; next ")
    changes = [(one.what, one.old, one.new) for one in deployed.get_deployment("nightly").changes[:2]]
    assert changes == [("paused", "yes", "no"), ("paused", "no", "yes")]


def test_a_deployment_goes_to_another_queue_with_what_waits(headgate: Headgate, deployed: Any, store: Any) -> None:
    runs = [deployed.run_deployment("nightly") for _ in range(2)]
    Worker(store).start()
    first = headgate("deployment", "set-work-queue", "nightly", "gpu")
    assert first.out == "score/nightly goes to work queue gpu from now on (was default, revision 2)\n"
    assert "1 waiting run on another work queue; again with --waiting moves them" in first.err
    assert "no agent listens to work queue gpu" in first.err
    second = headgate.json("deployment", "set-work-queue", "nightly", "gpu", "--waiting")
    assert set(second) == MOVED and (second["changed"], second["moved_runs"]) == (False, 1)
    assert [deployed.get_flow_run(run.id).work_queue for run in runs] == ["default", "gpu"]
    assert "moved from work queue default" in headgate("flow-run", "inspect", runs[1].id).out


def test_an_unknown_work_queue_is_answered_with_the_nearest(headgate: Headgate, deployed: Any, contents: Any) -> None:
    before = contents()
    answer = headgate("deployment", "set-work-queue", "nightly", "gup", "--waiting", code=3)
    assert "there is no work queue 'gup'; did you mean 'gpu'?" in answer.err and contents() == before


def test_a_name_that_two_flows_share_is_answered_with_both(headgate: Headgate, deployed: Any) -> None:
    deployed.create_from_spec(spec(flow="train"))
    error = headgate("deployment", "pause", "nightly", "-o", "json", code=2).error()
    assert error["code"] == "ambiguous" and "score/nightly, train/nightly" in error["message"]


def test_a_deletion_is_confirmed_and_a_dry_run_changes_nothing(
    headgate: Headgate, deployed: Any, contents: Any
) -> None:
    deployed.run_deployment("nightly")
    before = contents()
    refused = headgate("deployment", "delete", "nightly", code=2)
    assert "Delete deployment score/nightly and cancel 1 waiting run" in refused.err and "--yes" in refused.err
    would = headgate("deployment", "delete", "nightly", "--dry-run")
    assert would.out == "Would delete deployment score/nightly and cancel 1 waiting run\n"
    assert contents() == before


def test_on_a_terminal_a_deletion_asks_and_a_preview_fits(headgate: Headgate, deployed: Any) -> None:
    words = headgate.command(["deployment", "delete", "nightly"])
    with Terminal(words, environment=headgate.environment, folder=headgate.folder) as asked:
        asked.shows("Delete deployment score/nightly? [y/N]")
        asked.press("\n")
        assert asked.ends() == 1 and "nothing was changed" in asked.screen()
    words = headgate.command(["deployment", "preview", "nightly", "-n", "1"])
    with Terminal(words, environment=headgate.environment, folder=headgate.folder, columns=50) as narrow:
        assert narrow.ends() == 0
        title, row = narrow.screen().splitlines()[:2]
    assert "Run ID" in title and "Note" not in title and len(row) <= 50


def test_creating_a_paused_deployment_again_says_that_it_is_paused(headgate: Headgate, opened: Any) -> None:
    text = "from orchestrator import flow\nfrom orchestrator.deployments import DeploymentSpec\n"
    text += "from orchestrator.schedules import CronSchedule\n@flow\ndef main(): ...\n"
    file = headgate.write("flows.py", text + "DeploymentSpec(flow=main, name='d', schedule=CronSchedule('@daily'))\n")
    headgate("deployment", "create", file)
    opened.pause_deployment("d")
    again = headgate("deployment", "create", file).out
    assert "`headgate deployment resume main/d`" in again and "next" not in again


def test_flows_are_listed_and_shown(headgate: Headgate, deployed: Any) -> None:
    deployed.create_from_spec(spec(name="by-hand", schema=SCHEMA, description="It scores."))
    run = deployed.run_deployment("nightly")
    (listed,) = headgate.json("flow", "ls")
    assert (listed["name"], listed["deployments"]) == ("score", ["score/by-hand", "score/nightly"])
    head, row = (line.split("\t") for line in headgate("flow", "ls").out.splitlines())
    assert head[:3] == ["Name", "Deployments", "Work Queues"] and row[:3] == ["score", "by-hand, nightly", "default"]
    shown = headgate.json("flow", "inspect", "score")
    assert list(shown)[: len(listed)] == list(listed) and [one["id"] for one in shown["recent_runs"]] == [run.id]
    text = headgate("flow", "inspect", "score").out
    assert "Description\tIt scores." in text and "date\tstr\tyes\t-" in text and run.name in text


def test_an_unknown_flow_is_answered_with_the_nearest(headgate: Headgate, deployed: Any) -> None:
    answer = headgate("flow", "inspect", "scoer", code=3)
    assert answer.err == "Error: there is no flow 'scoer'; the nearest are score\n"


def test_without_deployments_there_are_no_flows_to_list(headgate: Headgate) -> None:
    answer = headgate("flow", "ls")
    assert "`headgate deployment create FILE`" in answer.err and answer.out.startswith("Name\t")
