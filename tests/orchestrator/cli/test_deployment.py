"""`headgate deployment`: what a file declares, what is wrong with it, and that a refused file changes nothing."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import NEW_YORK, spec

FILE = """
from datetime import timedelta
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec
from orchestrator.schedules import CronSchedule, IntervalSchedule

@flow
def main(date: str = "today", rows: int = 3):
    return rows

DeploymentSpec(flow=main, name="model_training", schedule=IntervalSchedule(interval=timedelta(minutes=5)), tags=["ml"])
DeploymentSpec(flow=main, name="monthly", schedule=CronSchedule("0 9 15 * *", timezone="America/New_York"))
"""
FLOW = "from orchestrator import flow\nfrom orchestrator.deployments import DeploymentSpec\n@flow\ndef main(): pass\n"
TWO = FLOW + "@flow\ndef other(): pass\n"
UNKNOWN_QUEUE = (
    FLOW + 'DeploymentSpec(flow=main, name="good")\nDeploymentSpec(flow=main, name="bad", work_queue="defualt")\n'
)
BAD_ZONE = FILE.replace("America/New_York", "America/New_Yrk")
BAD_CRON = FILE.replace("0 9 15 * *", "61 9 15 * *")
LISTED = "id name flow work_queue paused concurrency_limit tags schedules next_scheduled_time revision code_version"

BAD_FILES = {
    "syntax": ("def f(:\n", r"bad\.py:1: invalid syntax .*\n +def f\(:\n +\^"),
    "no flow": ("x = 1\n", r"bad\.py: there is no flow .*put @flow above a function"),
    "two flows": (TWO, r"bad\.py: .* 2 flows: main, other; choose by adding DeploymentSpec\(flow=main"),
    "not a flow": (
        FLOW + 'DeploymentSpec(flow=len, name="d")\n',
        r"bad\.py:5: expected flow to be a function under @flow",
    ),
    "missing import": ("x = 1\nimport nosuchmodule\n", r"bad\.py:2: there is no module 'nosuchmodule'; install .*"),
    "another library": (
        "from prefect import flow\n",
        r"bad\.py:1: .*'prefect'; write `from orchestrator import flow, t",
    ),
    "raises": ("def f():\n    raise ValueError('boom')\nf()\n", r"bad\.py:2: ValueError: boom"),
    "interrupts": ("raise KeyboardInterrupt\n", r"bad\.py:1: KeyboardInterrupt"),
    "exits": ("import sys\nsys.exit(3)\n", r"bad\.py:2: the file called exit\(3\).*__main__"),
    "dies": (
        "import os\nos._exit(3)\n",
        r"bad\.py: the process .*ended with exit code 3 .*must not",
    ),
    "unknown queue": (
        UNKNOWN_QUEUE,
        r"\S+bad\.py:6: work_queue: .*'defualt' .*did you mean 'default'.*--create-queues",
    ),
    "wrong zone": (BAD_ZONE, r"bad\.py:12: timezone: .*'America/New_Yrk'; did you mean 'America/New_York'\?"),
    "bad cron": (BAD_CRON, r"bad\.py:12: cron: expected the minute field to hold 0-59, got '61'"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_with_its_line_and_changes_nothing(headgate: Headgate, contents: Any, kind: str) -> None:
    text, said = BAD_FILES[kind]
    headgate("deployment", "create", headgate.write("good.py", FILE))
    before = contents()
    answer = headgate("deployment", "create", headgate.write("bad.py", text), code=2)
    assert re.match(f"Error: .*{said}", answer.err, re.DOTALL), answer.err
    assert answer.out == "" and contents() == before


def test_a_bad_file_is_told_to_programs_with_its_place(headgate: Headgate) -> None:
    error = headgate("deployment", "create", headgate.write("bad.py", "def f(:\n"), "-o", "json", code=2).error()
    assert set(error) == {"code", "message", "field", "hint", "file", "line"}
    assert (error["code"], error["file"], error["line"]) == ("syntax", str(headgate.folder / "bad.py"), 1)


def test_a_file_that_loads_too_long_is_given_up_with_all_it_started(headgate: Headgate) -> None:
    slow = "import subprocess, time\nsubprocess.run(['sleep', '54321'])\n"
    answer = headgate("deployment", "create", headgate.write("slow.py", slow), "--timeout", "1", code=2)
    assert "slow.py: loading the file took longer than 1 s; move work" in answer.err
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and b"54321" in command_line(pid)]


def command_line(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_what_is_no_file_is_refused_at_once(offline: Headgate) -> None:
    os.mkfifo(offline.folder / "pipe.py")
    offline.write("flows.py", FILE)
    offline.write("large.py", "#" * (1 << 20) + "\n")
    for name, said in {
        "flow.py": "is not there; did you mean 'flows.py'?",
        ".": "is a folder; name a Python file in it",
        "pipe.py": "is a pipe, socket or device",
        "large.py": "bytes, allowed are 1,",
    }.items():
        assert said in offline("deployment", "create", name, code=2).err


def test_creating_prints_what_happens_next_and_creating_again_changes_nothing(headgate: Headgate) -> None:
    file = headgate.write("flows.py", FILE)
    answer = headgate("deployment", "create", file)
    for part in (
        "created main/model_training",
        "default (no limit)",
        "every 5 minutes",
        "none listens",
        "rerun, at most 3",
    ):
        assert part in answer.out
    assert re.search(r"next +\S+Z, \S+Z, \S+Z\n", answer.out) and re.search(r"code version +[0-9a-f]{16}", answer.out)
    assert "Warning: no agent listens to work queue default" in answer.err
    assert "unchanged main/monthly" in headgate("deployment", "create", file).out
    headgate.write("flows.py", FILE.replace("minutes=5", "minutes=7"))
    again = headgate.json("deployment", "create", file)
    assert [list(one) for one in again] == [["id", "name", "status", "code_version"]] * 2
    assert [one["status"] for one in again] == ["updated", "updated"]


def test_missing_queues_are_made_only_when_asked_for(headgate: Headgate) -> None:
    file = headgate.write("flows.py", FILE.replace('tags=["ml"]', 'work_queue="ml"'))
    headgate("deployment", "create", file, code=2)
    assert headgate.json("deployment", "ls") == []
    assert "ml (no limit, just created)" in headgate("deployment", "create", file, "--create-queues").out
    assert [queue["name"] for queue in headgate.json("work-queue", "ls")] == ["default", "ml"]


def test_what_a_file_prints_is_no_data(headgate: Headgate) -> None:
    answer = headgate("deployment", "create", headgate.write("flows.py", "print('loading')\n" + FILE), "-o", "json")
    assert len(answer.json()) == 2 and "loading" in answer.err


def test_modules_beside_the_file_may_have_our_names(headgate: Headgate) -> None:
    for name in ("agent", "queues", "logging", "utils"):
        headgate.write(f"{name}.py", f"MINE = {name!r}\n")
    mine = "import agent, queues, logging, utils\nprint([m.MINE for m in (agent, queues, logging, utils)])\n"
    assert (
        "['agent', 'queues', 'logging', 'utils']"
        in headgate("deployment", "create", headgate.write("f.py", mine + FILE)).err
    )


def test_deployments_are_listed_inspected_and_deleted(headgate: Headgate, opened: Any) -> None:
    made = opened.create_from_spec(spec(NEW_YORK, tags=["ml"]))
    (listed,) = headgate.json("deployment", "ls")
    assert list(listed)[:11] == LISTED.split()
    inspected = headgate.json("deployment", "inspect", made.id[:8])
    assert inspected["name"] == "score/nightly" and inspected["path"] == "/srv/flows/score.py"
    assert "Skipped" in headgate("deployment", "inspect", "score/nightly").out
    run = opened.run_deployment("score/nightly")
    gone = headgate.json("deployment", "delete", "score/nightly", "--yes")
    assert gone == {"id": made.id, "name": "score/nightly", "cancelled_runs": 1, "dry_run": False}
    assert opened.get_flow_run(run.id).state == "CANCELLED"
    assert headgate.json("deployment", "ls") == []


def test_an_unknown_deployment_is_answered_with_the_nearest(headgate: Headgate, opened: Any, contents: Any) -> None:
    opened.create_from_specs([spec(name=name) for name in ("nightly", "hourly", "weekly", "by-hand")])
    before = contents()
    for verb, *more in (["inspect"], ["run"], ["delete"], ["preview"], ["pause"], ["set-work-queue", "default"]):
        answer = headgate("deployment", verb, "score/nihgtly", *more, code=3)
        said = r"Error: there is no deployment 'score/nihgtly'; the nearest are score/nightly, score/\w+, score/\w+\n"
        assert re.fullmatch(said, answer.err) and answer.out == ""
    assert contents() == before


def test_an_ambiguous_start_of_an_id_lists_what_it_fits(headgate: Headgate, opened: Any) -> None:
    made = opened.create_from_specs([spec(name=f"d{number}") for number in range(20)])
    first = next(letter for letter in "0123456789abcdef" if sum(one.id.startswith(letter) for one in made) > 1)
    answer = headgate("deployment", "inspect", first, "-o", "json", code=2)
    assert answer.error()["code"] == "ambiguous"
    assert all(one.name in answer.err for one in made if one.id.startswith(first))


def test_a_run_tells_its_id_and_what_to_start(headgate: Headgate, opened: Any) -> None:
    opened.create_from_spec(spec())
    answer = headgate("deployment", "run", "score/nightly", "-p", "a=1", "-p", "b=text", "-o", "json")
    assert list(answer.json()) == ["id", "name"]
    assert "no agent listens to work queue default" in answer.err and "`headgate agent start -q default`" in answer.err
    run = opened.get_flow_run(answer.json()["id"])
    assert (run.state, run.name, dict(run.parameters)) == ("QUEUED", answer.json()["name"], {"a": 1, "b": "text"})


def test_parameters_come_from_stdin_and_a_run_may_be_for_later(headgate: Headgate, opened: Any) -> None:
    opened.create_from_spec(spec())
    made = headgate(
        "deployment", "run", "score/nightly", "--params", "-", "--in", "1h", "-o", "json", stdin='{"a": [1]}'
    )
    assert "no scheduler is running, which puts it on its queue; `headgate scheduler start`" in made.err
    run = opened.get_flow_run(made.json()["id"])
    assert (run.state, dict(run.parameters)) == ("SCHEDULED", {"a": [1]})


TIME = "expected a time such as 2026-03-01T09:00:00Z, "
WRONGLY_ASKED = [
    (["-p", "x"], "-p (number 1): expected key=value, got 'x'; as in -p date=2026-03-01"),
    (["-p", "a=NaN"], "-p (number 1): expected a finite number, got NaN"),
    (["-p", 'a={"b": }'], "-p (number 1): expected JSON, got '{\"b\": }': Expecting value at line 1 column 7"),
    (["--params", "[1]"], "--params: expected a JSON object, got '[1]'; as in --params '{"),
    (["--params", "@p.json"], "--params: expected JSON, got '@p.json': Expecting value at line 1 column 1; as in "),
    (["--timeout", "3"], "--timeout: only a watched run can time out; add --watch"),
    (["--here", "--watch"], "--here: it runs now and is watched anyway; leave out"),
    (["--at", "tomorrow"], f"--at: {TIME}"),
    (["--in", "-5m"], "--in: expected a duration from 0 s to 366 d, as in 90, 90s, 5m, 1h30m, 2d, got '-5m'"),
    (["--at", "17:30", "--in", "5m"], "--in: --at says already when it runs; leave out one of them"),
]


@pytest.mark.parametrize("words, said", WRONGLY_ASKED)
def test_a_run_asked_for_wrongly_is_refused_without_redis(offline: Headgate, words: list[str], said: str) -> None:
    answer = offline("deployment", "run", "score/nightly", *words, code=2)
    assert answer.err.startswith(f"Error: {said}") and answer.err.count("\n") == 1 and answer.out == ""


def test_a_time_that_has_passed_is_said_and_a_file_is_told_from_a_deployment(headgate: Headgate, opened: Any) -> None:
    opened.create_from_spec(spec())
    made = headgate("deployment", "run", "nightly", "--at", "2020-01-01T00:00:00Z")
    assert made.err.startswith("Warning: 2020-01-01T00:00:00Z has passed, so it is due at once")
    assert "`headgate deployment create FILE` reads a file" in headgate("deployment", "run", "flows.py", code=3).err


def test_parameters_that_do_not_fit_make_no_run(headgate: Headgate, contents: Any) -> None:
    strict = "@flow\ndef strict(day: str): ...\nDeploymentSpec(flow=strict, name='by-hand')\n"
    headgate("deployment", "create", headgate.write("flows.py", FILE + strict))
    before = contents()
    for words, said in (
        (["main/monthly", "-p", "rows=many"], 'parameter rows: expected int, got "many"'),
        (["main/monthly", "-p", "colour=red"], "parameter colour: unknown, the flow takes date, rows"),
        (["strict/by-hand"], "parameter day: missing"),
    ):
        error = headgate("deployment", "run", *words, "-o", "json", code=2).error()
        assert (error["code"], error["field"], error["message"]) == ("parameters", "parameters", said)
    assert contents() == before and json.loads(headgate("flow-run", "ls", "-o", "json").out) == []
