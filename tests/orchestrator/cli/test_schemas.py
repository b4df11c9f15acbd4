"""`-o json` is an interface: the keys and types that every command prints are pinned in schemas.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.scheduler.leadership import Leadership
from orchestrator.schedules import CronSchedule
from orchestrator.store import LogRecord, TaskRecord
from tests.cli_page.command_tree import command_of, entries
from tests.orchestrator.cli.conftest import Headgate
from tests.orchestrator.cli.shapes import differences
from tests.support.deployments import HOURLY, Worker, spec

PINNED = json.loads(Path(__file__).with_name("schemas.json").read_text(encoding="utf-8"))
SHAPES, COMMANDS = PINNED["shapes"], PINNED["commands"]
FILE = """from orchestrator import flow
from orchestrator.deployments import DeploymentSpec
@flow
def greet(name: str = "world"): ...
DeploymentSpec(flow=greet, name="often")
"""
LOOKED_AT_MOST = (
    "version",
    "status",
    "doctor",
    "deployment ls",
    "flow-run ls",
    "flow-run inspect {failed}",
    "flow-run explain {waiting}",
    "work-queue ls",
    "work-queue preview ml",
    "agent ls",
)
LOOKING = (
    "deployment inspect nightly",
    "deployment preview nightly -n 3",
    "flow ls",
    "flow inspect score",
    "flow-run logs {failed}",
    "work-queue inspect ml",
    "work-queue slots ml",
    "concurrency-limit ls",
    "concurrency-limit inspect gpu",
    "agent inspect box-7",
)
CHANGING = (
    "profile create lab",
    "profile use lab",
    "config set late_seconds 30",
    "config view",
    "config unset late_seconds",
    "profile inspect lab",
    "profile ls",
    "profile rename lab old",
    "profile use default",
    "profile delete old --yes",
    "work-queue create fresh --limit 2",
    "work-queue pause fresh",
    "work-queue resume fresh",
    "work-queue set-concurrency-limit fresh 4 --for 2h",
    "work-queue inspect fresh",
    "work-queue clear-concurrency-limit fresh",
    "work-queue set-env fresh REGION=south",
    "work-queue unset-env fresh REGION",
    "work-queue clear ml --dry-run",
    "work-queue delete fresh --yes",
    "concurrency-limit create fresh 3",
    "concurrency-limit delete fresh --yes",
    "deployment create flows.py",
    "deployment run nightly",
    "deployment pause nightly",
    "deployment resume nightly",
    "deployment set-work-queue nightly default",
    "flow-run watch {completed}",
    "flow-run retry {failed}",
    "flow-run retry {failed} {completed}",
    "flow-run cancel {waiting}",
    "flow-run cancel {waiting} {failed}",
    "flow-run delete {failed} --yes",
    "agent drain box-7",
    "agent stop box-7",
    "deployment delete nightly --yes",
)
SEVERAL = ("flow-run cancel {waiting} {failed}", "flow-run retry {failed} {completed}")
"""Of several runs at once there is one answer each."""
REFUSED = {"flow-run cancel {waiting} {failed}": 4, "doctor": 1}
"""Exit codes other than 0: what was done is printed all the same."""


@pytest.fixture
def runs(opened: Any, store: Any) -> Iterator[dict[str, str]]:
    """One run of each fate, on a queue and under a tag that have limits, with operators' changes to be shown."""
    opened.create_work_queue("ml", limit=2)
    opened.pause_work_queue("ml")
    opened.resume_work_queue("ml")
    opened.set_tag_limit("gpu", 2)
    opened.create_from_spec(spec(HOURLY, CronSchedule("@daily"), work_queue="ml", tags=["gpu"]))
    opened.pause_deployment("nightly")
    opened.resume_deployment("nightly")
    Leadership(store).beat()
    worker = Worker(store, "box-7", ("ml",))
    names = {}
    for fate in ("completed", "failed", "running", "waiting"):
        names[fate] = opened.run_deployment("nightly", {"rows": 3}).id
        if fate != "waiting":
            claim = worker.start()
            store.logs.append(
                claim.run_id, claim.token, claim.attempt, 1, [LogRecord(1_800_000_000_000_000, 0, 40, "x")]
            )
        if fate in ("completed", "failed"):
            store.tasks.record(claim.run_id, [TaskRecord(id="t-1", name="read", attempt=1, state="COMPLETED")])
            worker.finish(claim, fate.upper(), data={"result": b"3"}, fields={"exit_code": 0})
    yield names


def check(headgate: Headgate, line: str, runs: dict[str, str]) -> list[str]:
    """What of a command's answer is not as it is pinned."""
    name = " ".join(command_of(line.split(), entries()).words) + " (several)" * (line in SEVERAL)
    answer = headgate(*line.format(**runs).split(), "-o", "json", code=REFUSED.get(line, 0))
    found = differences(json.loads(answer.out), COMMANDS.get(name, {}), SHAPES)
    return [f"{line}: {one}" for one in found]


def test_what_scripts_look_at_most_is_pinned(headgate: Headgate, runs: dict[str, str]) -> None:
    assert [one for line in LOOKED_AT_MOST for one in check(headgate, line, runs)] == []


@pytest.mark.slow
def test_what_commands_that_look_print_as_json_is_pinned(headgate: Headgate, runs: dict[str, str]) -> None:
    assert [one for line in LOOKING for one in check(headgate, line, runs)] == []


@pytest.mark.slow
def test_what_commands_that_change_something_print_as_json_is_pinned(headgate: Headgate, runs: dict[str, str]) -> None:
    headgate.write("flows.py", FILE)
    assert [one for line in CHANGING for one in check(headgate, line, runs)] == []


def test_every_command_with_an_output_is_pinned_and_tried() -> None:
    known = entries()
    there = {" ".join(one.words) for one in known if "-o" in one.options}
    tried = {" ".join(command_of(line.split(), known).words) for line in (*LOOKED_AT_MOST, *LOOKING, *CHANGING)}
    assert there == {name.removesuffix(" (several)") for name in COMMANDS} == tried


def test_a_key_that_is_missing_or_new_or_of_another_type_is_told() -> None:
    shape = {"id": "str", "at": "time?", "runs": ["FlowRunName"]}
    shapes = {"FlowRunName": {"name": "str"}}
    assert differences({"id": "a", "at": None, "runs": [{"name": "x"}]}, shape, shapes) == []
    wrong = differences({"at": "now", "runs": [{"name": 1}], "more": 2}, shape, shapes)
    assert wrong == [".id is missing", ".more is not known", ".at is no time: 'now'", ".runs[0].name is no str: 1"]
