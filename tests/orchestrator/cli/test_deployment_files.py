"""Every kind of bad deployment file through the real command: one sentence, exit code 2, and nothing changed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.orchestrator.cli.conftest import Headgate

HEAD = (
    "from datetime import timedelta; from orchestrator.flow_runners import SubprocessFlowRunner\n"
    "from orchestrator import flow, task\n"
    "from orchestrator.deployments import DeploymentSpec\nfrom orchestrator.schedules import CronSchedule\n"
)
FLOW = HEAD + "@flow\ndef main(n: int = 1): ...\n"
NEEDS_N = FLOW.replace("n: int = 1", "n: int")
GOOD = FLOW + "DeploymentSpec(flow=main, name='good', schedule=CronSchedule('@daily'), tags=['ml'])\n"
TIMES = r"expected timeout_seconds to be seconds from 0\.1 to 2592000 or a timedelta, as in 90 or timedelta\(hours=1"


def deployed(arguments: str, flow: str = FLOW) -> str:
    return f"{flow}DeploymentSpec({arguments}, name='d')\n"


def located(path: str) -> str:
    return f"{HEAD}DeploymentSpec(flow_location={path!r}, name='d')\n"


SYNTAX = {
    "def main(:\n": r":1: invalid syntax \(column 10\)\n +def main\(:\n +\^",
    deployed("flow=main\n  tags=[]"): r":7: .*comma\? \(column \d+\)\n +DeploymentSpec\(flow=main\n +\^",
    deployed("flow=main, name='e'"): r":7: keyword argument repeated: name \(column \d+\)\n +Depl.*\n +\^",
    FLOW + "\tx = (\n": r":7: ",
}
WRONG_TYPES = {
    deployed("flow=main, concurrency_limit='2'"): r":7: .*concurrency_limit to be a whole number .*, got '2'",
    deployed("flow=main, concurrency_limit=True"): r":7: .*concurrency_limit to be a whole number .*, got True",
    deployed("flow=main, parameters=[]"): r":7: .*parameters to be a dict .*, got \[\]",
    deployed("flow=main, tags='ml'"): r":7: .*tags to be a list of names such as \['ml'\], got 'ml'",
    deployed("flow=main, schedule={'cron': '@daily'}"): r":7: .*schedule to be IntervalSchedule.*, got \{'cron'",
    deployed("flow=main, work_queue=3"): r":7: .*work_queue to be 1 to 128 .*, got 3",
    deployed("flow='main'"): r":7: .*flow to be a function under @flow, got 'main'; to name a file",
    deployed("flow=main, concurrency_limit=2.0"): r":7: .*concurrency_limit to be a whole number .*, got 2\.0",
    deployed("flow=main, tags=['ml', 3]"): r":7: expected tags\[1\] to be 1 to 128 .*, got 3",
    deployed("flow=main, schedule='0 9 * * *'"): r":7: .*, got '0 9 .*'; write schedule=CronSchedule\('0 9 \* \* \*'\)",
    deployed(
        "flow=main, schedules=[CronSchedule('@daily'), 3]"
    ): r":7: expected schedules\[1\] to be a schedule.*got 3",
    deployed("flow=main, flow_runner=SubprocessFlowRunner(env={'A': 1})"): (
        r":7: expected flow_runner\.env\.A to be text without NUL, got 1; write the value in quotes"
    ),
    deployed("flow=main, parameters={'n': True}"): r":7: parameters: parameter n: expected int, got True",
}
NAMES = {
    deployed(f"flow=main, work_queue={name!r}"): r":7: expected work_queue to be 1 to 128 of a-z 0-9 \. _ - .*, got '"
    for name in ("a\0b", "", " ", "a b", "../x", "a{b}c", "*", "x" * 129, "\N{ROCKET}", "Q")
}
DOUBLES = {
    GOOD + GOOD.splitlines()[-1] + "\n": r":8: name: main/good is declared twice, in lines 7 and 8",
    GOOD + "@flow(name='Main')\ndef other(): ...\nDeploymentSpec(flow=other, name='good')\n": (
        r":10: name: main/good and Main/good differ only by case, in lines 7 and 10"
    ),
    deployed("flow=main, parameters={'n': 1,\n 'n': 2}"): r":8: the key 'n' comes twice, in lines 7 and 8",
}
LOCATIONS = {
    located("gone.py"): r":5: flow_location 'gone.py': there is no file .*gone\.py",
    located("../score.py"): r":5: flow_location '\.\./score\.py' leads out of the folder",
    located("/etc/score.py"): r":5: flow_location '/etc/score\.py' is outside the folder of the deployment file",
    located("link.py"): r":5: flow_location 'link\.py' is a link that leads out of",
    located("os:system"): r":5: expected flow_location to be a path without the flow's name, got 'os:system'",
    located("flow.py:f()"): r":5: expected flow_location to be a path without .*got 'flow\.py:f\(\)'; use flow_name",
    located("plain.py"): r"plain\.py: there is no flow in plain\.py",
    located("two.py"): r":5: flow_name: there are 2 flows in two\.py: a, b; choose with flow_name=",
    located("two.py").replace("name='d'", "flow_name='c', name='d'"): (
        r":5: flow_name: there is no flow 'c' in two\.py; flows there: a, b"
    ),
}
TIME_LIMITS = {
    deployed(f"flow=main, timeout_seconds={text}"): f":7: {TIMES}" for text in ("0", "-5", "'1h30'", "'PT1H'")
}
TIME_LIMITS |= {deployed(f"flow=main, timeout_seconds={text}"): f":7: {TIMES}" for text in ("float('inf')", "1e9")}
TIME_LIMITS[FLOW + "@flow(timeout_seconds='1h30')\ndef late(): ...\n"] = (
    r":7: ValueError: flow late: expected timeout_seconds to be a number of seconds above 0, got '1h30'"
)
TIME_LIMITS |= {deployed("flow=main, timeout_seconds=timedelta(days=31)"): f":7: {TIMES}.*got datetime.timedelta"}
RETRIES = {
    deployed("flow=main, retries=10**9"): r":7: expected retries to be a whole number from 0 to 10000, got 1000000000",
    deployed("flow=main, retries=3, retry_delay_seconds=0"): r":7: .*retry_delay_seconds to be seconds from 0\.1 ",
    deployed("flow=main, retries=3, retry_delay_seconds=-1"): r":7: .*retry_delay_seconds to be seconds from 0\.1 ",
    deployed("flow=main, retry_jitter_factor=2"): r":7: DeploymentSpec has no argument 'retry_jitter_factor'",
    deployed("flow=main, retry_on=['NoSuch']"): r":7: DeploymentSpec has no argument 'retry_on'; arguments are",
    FLOW + "@task(retries=10**9)\ndef t(): ...\n": (
        r":7: ValueError: task t: expected retries to be a whole number from 0 to 10000, got 1000000000\n +@task"
    ),
    FLOW + "@task(retry_delay_seconds=-1)\ndef t(): ...\n": r":7: .* from 0 to 2592000, got -1",
    FLOW + "@task(retry_jitter_factor=2)\ndef t(): ...\n": r":7: .*option 'retry_jitter_factor' is not available",
}
PARAMETERS = {
    deployed("flow=main", FLOW.replace("= 1", "= 'x'")): r":7: .*default of parameter n: expected int, got \"x\"",
    deployed("flow=main, parameters={'m': 1}"): r":7: parameters: parameter m: unknown, the flow takes n",
    deployed("flow=main, parameters={'n': 'x'}"): r":7: parameters: parameter n: expected int, got \"x\"",
    deployed("flow=main, schedule=CronSchedule('@daily')", NEEDS_N): r":7: .*parameter n: missing; its schedule starts",
}
OLDER = {
    deployed("flow=main, flow_storage='s3'"): r":7: DeploymentSpec has no argument 'flow_storage'; leave it out",
    deployed("flow=main, infrastructure='k8s'"): r":7: .*'infrastructure'; use flow_runner=SubprocessFlowRunner",
    deployed("flow=main, work_pool_name='p'"): r":7: .*'work_pool_name'; use work_queue=",
}
KINDS = {
    "syntax": SYNTAX,
    "names": NAMES,
    "types": WRONG_TYPES,
    "doubles": DOUBLES,
    "locations": LOCATIONS,
    "time limits": TIME_LIMITS,
    "retries": RETRIES,
    "parameters": PARAMETERS,
    "older interfaces": OLDER,
}


def beside_good_ones(headgate: Headgate) -> None:
    """The files that the bad ones name."""
    headgate.write("plain.py", "def f(): ...\n")
    headgate.write("two.py", "from orchestrator import flow\n@flow\ndef a(): ...\n@flow\ndef b(): ...\n")
    (headgate.folder / "link.py").symlink_to(Path(os.__file__))


def refuse(headgate: Headgate, text: str, said: str) -> None:
    """Deploy a bad file, with leave to make queues; it is told in one sentence at its place."""
    answer = headgate("deployment", "create", headgate.write("bad.py", text), "--create-queues", code=2)
    assert re.match(f"Error: .*{said}", answer.err, re.DOTALL), answer.err
    assert answer.out == ""


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"syntax"}))
def test_each_kind_of_bad_file_is_told_with_its_line_and_changes_nothing(
    headgate: Headgate, contents: Any, kind: str
) -> None:
    beside_good_ones(headgate)
    before = contents()
    refuse(headgate, *next(iter(KINDS[kind].items())))
    assert contents() == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_can_not_be_meant_is_told_with_its_line_and_changes_nothing(
    headgate: Headgate, contents: Any, kind: str
) -> None:
    headgate("deployment", "create", headgate.write("good.py", GOOD))
    beside_good_ones(headgate)
    before = contents()
    for text, said in KINDS[kind].items():
        refuse(headgate, text, said)
        assert contents() == before


BYTES = {
    "empty.py": (b"", "is empty; write a flow"),
    "utf16.py": (GOOD.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
    "binary.py": (b"\x7fELF\x02\x01\0\0", "is no text; name a Python file"),
    "latin.py": (GOOD.encode() + b"# gr\xfc\xdfe\n", ":8: "),
    "large.py": (b"#" * (10 << 20), "has 10,485,760 bytes, allowed are 1,048,576"),
}


@pytest.mark.slow
def test_what_is_no_python_text_is_refused_by_the_command_and_never_hangs(offline: Headgate) -> None:
    for name, (data, said) in BYTES.items():
        (offline.folder / name).write_bytes(data)
        assert said in offline("deployment", "create", name, code=2).err
    (offline.folder / "loop.py").symlink_to("loop.py")
    os.mkfifo(offline.folder / "pipe.py")
    refused = {"loop.py": "Too many levels of symbolic links", "pipe.py": "is a pipe", "home": "is not there"}
    refused |= {
        ".": "is a folder; name a Python file in it",
        "/dev/zero": "is a pipe, socket or device",
        "": "is a folder",
    }
    for name, said in refused.items():
        assert said in offline("deployment", "create", name, code=2).err


@pytest.mark.slow
def test_a_byte_order_mark_and_windows_line_ends_are_read(headgate: Headgate) -> None:
    (headgate.folder / "dos.py").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert headgate.json("deployment", "create", "dos.py")[0]["status"] == "created"


@pytest.mark.slow
def test_a_name_that_differs_by_case_from_one_of_another_file_names_both_places(
    headgate: Headgate, contents: Any
) -> None:
    headgate.write("flow.py", FLOW)
    elsewhere = HEAD + "DeploymentSpec(flow_location='flow.py', name='good')\n"
    headgate("deployment", "create", headgate.write("good.py", elsewhere))
    before = contents()
    headgate.write("other.py", GOOD.replace("@flow\n", "@flow(name='Main')\n"))
    answer = headgate("deployment", "create", "other.py", code=2)
    created = f"Main/good differs only by case from main/good, which was created from {headgate.folder}/good.py:5"
    assert answer.err.startswith(f"Error: {headgate.folder}/other.py:7: ") and created in answer.err
    assert "`headgate deployment delete main/good`" in answer.err and contents() == before


def test_a_deployment_of_a_newer_version_is_refused_with_the_version_it_needs(
    headgate: Headgate, deployed: Any, contents: Any
) -> None:
    made = deployed.get_deployment("nightly")
    deployed.store.scripts.redis.hset(deployed.store.keys.deployment(made.id), mapping={"schema": "9", "needs": "3.1"})
    before = contents()
    answer = headgate("deployment", "run", "nightly", code=1)
    assert "needs headgate >= 3.1" in answer.err and answer.out == "" and contents() == before


@pytest.mark.slow
def test_what_a_newer_version_deployed_is_left_alone_and_what_an_older_one_did_is_read(
    headgate: Headgate, store: Any, contents: Any
) -> None:
    (made,) = headgate.json("deployment", "create", headgate.write("good.py", GOOD))
    key = store.keys.deployment(made["id"])
    store.scripts.redis.hset(key, mapping={"schema": "9", "needs": "3.1"})
    before = contents()
    for words in (["create", "good.py"], ["set-work-queue", "good", "default"], ["run", "good"], ["preview", "good"]):
        answer = headgate("deployment", *words, code=None)
        assert answer.code != 0 and "needs headgate >= 3.1" in answer.err, answer
    assert contents() == before
    store.scripts.redis.hdel(key, "schema", "needs")
    assert headgate.json("deployment", "create", "good.py")[0]["status"] == "unchanged"


@pytest.mark.slow
def test_code_that_is_gone_by_the_time_of_a_run_is_refused_again(headgate: Headgate) -> None:
    file = headgate.write("flows.py", deployed("flow=main, source='path'"))
    headgate("deployment", "create", file)
    headgate.write("flows.py", deployed("flow=other", FLOW.replace("def main", "def other")))
    renamed = headgate("deployment", "run", "main/d", "--here", code=6)
    assert "expected a flow named main in" in renamed.err and "found: other" in renamed.err
    (headgate.folder / file).unlink()
    gone = headgate("deployment", "run", "main/d", "--here", code=1)
    assert f"has no {headgate.folder}/flows.py; bring it there, or create the deployment again" in gone.err


@pytest.mark.slow
def test_parameters_that_are_none_are_named_by_their_place_and_not_sent(offline: Headgate) -> None:
    deep, large = "[" * 1000 + "]" * 1000, '{"a": "' + "x" * (600 << 10) + '"}'
    for words, stdin, said in (
        (["-p", "x"], "", "-p (number 1): expected key=value, got 'x'"),
        (["-p", "a=1", "-p", "=v"], "", "-p (number 2): expected key=value, got '=v'"),
        (["-p", "a=1", "-p", "b=2", "-p", "a=3"], "", "-p (number 3): 'a' was given before, as number 1"),
        (["-p", "a=@missing.json"], "", "-p (number 1): cannot read 'missing.json'"),
        (["-p", 'a={"b": }'], "", "at line 1 column 7"),
        (["-p", "a=NaN"], "", "expected a finite number, got NaN"),
        (["-p", f"a={deep}"], "", "expected JSON nested at most 32 deep"),
        (["--params", "-"], large, "expected at most 512 KiB of JSON, got more"),
        (["--params", "[1]"], "", "--params: expected a JSON object, got '[1]'"),
        (["--params", '{"a": 1, "a": 2}'], "", "expected every key once, got 'a' twice"),
    ):
        assert said in offline("deployment", "run", "main/d", *words, stdin=stdin, code=2).err
