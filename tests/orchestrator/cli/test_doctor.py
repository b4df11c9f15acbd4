"""`headgate doctor`: exit code, what programs and people read, and that it survives what it is called for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.orchestrator.cli.conftest import ROOT, Headgate
from tests.support.deployments import Worker, spec
from tests.support.redis_server import RedisServer
from tests.support.sentinels import Sentinels
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

KEYS = ["healthy", "problems", "notes", "persistence", "eviction_policy", "redis", "scheduler", "agents", "counters"]
KEYS += ["schemas", "home", "runs_examined", "keys_examined", "keys"]
SHIFTED = "import time\n_now = time.time\ntime.time = lambda: _now() + 300\n"
"""A sitecustomize.py that sets the clock of a machine five minutes ahead."""


def codes(found: Any) -> dict[str, dict[str, str]]:
    """The problems of an examination by code."""
    return {one["code"]: one for one in found["problems"]}


def test_a_healthy_installation_is_exit_0_and_notes_do_not_count(headgate: Headgate, own_redis: RedisServer) -> None:
    at = headgate.with_settings(HEADGATE_REDIS_URL=own_redis.url)
    found = at.json("doctor")
    assert list(found) == KEYS and found["healthy"] and found["problems"] == []
    assert (found["persistence"], found["eviction_policy"], found["agents"]) == ("aof (everysec)", "noeviction", [])
    assert [note["code"] for note in found["notes"]] == ["no-scheduler"]
    assert at("doctor").err.endswith("No problem found, 1 note.\n")


def test_problems_are_exit_1_each_with_a_place_and_a_command(headgate: Headgate, opened: Any, contents: Any) -> None:
    opened.create_work_queue("ml")
    opened.create_from_spec(spec(work_queue="ml"))
    opened.run_deployment("nightly")
    before = contents()
    found = codes(headgate("doctor", "-o", "json", code=1).json())
    assert set(found) == {"persistence", "no-scheduler", "unserved-queue"}
    assert found["unserved-queue"]["remedy"] == "headgate agent start -q ml"
    assert re.fullmatch(r"redis-cli -s /\S+ CONFIG SET appendonly yes", found["persistence"]["remedy"])
    assert contents() == before


def test_piped_text_is_a_table_of_findings(headgate: Headgate, opened: Any) -> None:
    answer = headgate("doctor", code=1)
    facts, _, findings = answer.out.partition("\n\n")
    assert dict(line.split("\t") for line in facts.splitlines())["Persistence"] == "none"
    head, first, *_ = [line.split("\t") for line in findings.splitlines()]
    assert head == ["Kind", "Code", "Where", "Message", "Remedy"] and first[:3] == ["problem", "persistence", "Redis"]
    assert "1 problem, 1 note. CONFIG SET lasts until Redis restarts" in answer.err and "\x1b" not in answer.out


def test_a_terminal_shows_wrapped_sentences_and_whole_commands(headgate: Headgate) -> None:
    with Terminal(
        headgate.command(["doctor"]), environment=headgate.environment, folder=headgate.folder, columns=60
    ) as terminal:
        assert terminal.ends() == 1
        shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.screen())
    told = shown.partition("\nproblem: ")[2]
    assert told.startswith("Redis: it keeps nothing on disk")
    assert all(len(line) <= 60 for line in told.partition("\n\n")[0].splitlines() if "redis-cli" not in line)
    assert re.search(r"^  redis-cli -s \S+ CONFIG SET appendonly yes$", told, re.MULTILINE)


def test_a_redis_that_roles_refuse_is_examined(headgate: Headgate, own_redis: RedisServer) -> None:
    own_redis.client().config_set("maxmemory-policy", "allkeys-lru")
    answer = headgate.with_settings(HEADGATE_REDIS_URL=own_redis.url)("doctor", "-o", "json", code=1)
    assert "may drop runs" in codes(answer.json())["eviction"]["message"]


def test_a_key_of_another_type_is_named_where_other_commands_stop(headgate: Headgate, store: Any, redis: Any) -> None:
    redis.set(store.keys.waiting("default"), "x")
    assert "`headgate doctor` looks at all keys" in headgate("work-queue", "ls", code=1).err
    found = codes(headgate("doctor", "-o", "json", code=1).json())
    assert found["wrong-type"]["where"] == f"key {store.keys.waiting('default')}"
    assert "RENAME" in found["wrong-type"]["remedy"]


@pytest.mark.slow
def test_a_user_with_narrow_rights_examines_what_it_may(headgate: Headgate, own_redis: RedisServer) -> None:
    own_redis.client().execute_command("ACL", "SETUSER", "default", "-config", "-memory", "-latency")
    found = headgate.with_settings(HEADGATE_REDIS_URL=own_redis.url).json("doctor")
    assert found["persistence"] == "aof" and found["keys_examined"] > 0


def test_a_machine_whose_clock_is_five_minutes_off_is_told_so_and_works_by_the_clock_of_redis(
    headgate: Headgate, opened: Any, tmp_path: Path
) -> None:
    opened.create_from_spec(spec())
    (tmp_path / "sitecustomize.py").write_text(SHIFTED)
    off = headgate.with_settings(PYTHONPATH=f"{tmp_path}:{ROOT}")
    clock = codes(off("doctor", "-o", "json", code=1).json())["clock"]
    assert re.search(r"(299|300)\.\d s behind that of this machine", clock["message"])
    assert clock["remedy"] == "timedatectl set-ntp true"
    off("deployment", "run", "nightly")
    worker = Worker(opened.store)
    assert worker.run_one() == opened.list_flow_runs()[0].id


@pytest.mark.slow
def test_the_sentinels_and_the_replica_are_examined_too(headgate: Headgate) -> None:
    with Sentinels() as watched:
        at = headgate.with_settings(HEADGATE_REDIS_URL=watched.url)
        found = at.json("doctor")
        assert (found["redis"]["replicas"], found["problems"]) == (1, [])
        for node in (*watched.watchers[:2], watched.replica):
            node.kill()
        wait_until(lambda: not watched.first.client().info("replication")["connected_slaves"], within=20)
        found = [(one["code"], one["where"]) for one in at("doctor", "-o", "json", code=1).json()["problems"]]
    silent = [("sentinel", f"Sentinel 127.0.0.1:{node.port}") for node in watched.watchers[:2]]
    assert found == [("replicas", "Redis"), *silent]


@pytest.mark.slow
def test_an_agent_and_a_scheduler_warn_of_a_clock_that_is_off(
    headgate: Headgate, tmp_path: Path, running: list[Any]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SHIFTED)
    off = headgate.with_settings(PYTHONPATH=f"{tmp_path}:{ROOT}")
    for words in (["scheduler", "start"], ["agent", "start"]):
        role = subprocess.Popen(
            off.command(words), env=off.environment, cwd=off.folder, stderr=subprocess.PIPE, text=True
        )
        running.append(role)
        assert role.stderr is not None
        assert any("behind that of this machine" in line for line in role.stderr)
        role.terminate()
