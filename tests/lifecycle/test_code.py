"""Agents that fetch the code of a deployment themselves: nothing of it is on their machine when the run is made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from agent.leftovers import RUN_VARIABLE
from agent.process_tree import all_processes, environment_value
from orchestrator.client import Client
from queues.states import State
from tests.lifecycle.worksite import Site, is_running
from tests.support import bundles
from tests.support.waiting import wait_until
from tests.support.wheels import make_wheel, offline

FLOW = """
import os, stat
from pathlib import Path
from orchestrator import flow
from aid.words import WORD

@flow
def main():
    here = Path.cwd()
    print("config", open("config.yml").read(), "word", WORD)
    print("mode", oct(stat.S_IMODE(here.stat().st_mode)), "file", __file__)
    Path("out.csv").write_text("1")
"""
FILES = {"main.py": FLOW, "config.yml": "a: 1", "aid/words.py": "WORD = 'brisk'"}
ABSENT = {"path": "/not/here/main.py", "folder": "/not/here", "working_dir": None, "entry": "main.py"}


def deploy(site: Site, files: Mapping[str, str], name: str = "main", **changes: Any) -> None:
    """Deploy a bundle of these files, whose folder is on no machine."""
    site.deploy(name=name, source=bundles.put(site.store, files), **{**ABSENT, "function": "main", **changes})


def rooms(site: Site) -> list[Path]:
    """The working folders that are there."""
    return [path for path in (site.folder / "home" / "work").glob("*/*/*") if path.name != "lock"]


def preparing_processes() -> list[int]:
    """The processes that prepare something, of whichever agent."""
    marked = [pid for pid in all_processes() if (environment_value(pid, RUN_VARIABLE) or "").startswith("prepare ")]
    return [pid for pid in marked if is_running(pid)]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with the flow in a folder of it; its hooks must never run."""
    made = tmp_path / "repository"
    for path, text in FILES.items():
        (made / "flows" / path).parent.mkdir(parents=True, exist_ok=True)
        (made / "flows" / path).write_text(text)
    (made / "flows" / "link.yml").symlink_to("config.yml")
    git(made, "init", "-q")
    git(made, "add", ".")
    git(made, "commit", "-q", "-m", "one")
    return made


def git(folder: Path, *words: str) -> str:
    """Run git in a repository, as somebody."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_run_of_a_bundle_from_another_place_works_in_a_folder_of_its_own(site: Site) -> None:
    deploy(site, FILES)
    site.agent()
    (run_id,) = site.submit()
    assert site.until(run_id, State.COMPLETED, State.FAILED).state == State.COMPLETED, site.told(run_id)
    lines = site.lines(run_id)
    assert "config a: 1 word brisk" in lines[0] and "mode 0o700" in lines[1], lines
    assert str(site.folder / "home" / "code") in lines[1]
    wait_until(lambda: not rooms(site), message=lambda: str(rooms(site)))
    assert not list((site.folder / "home" / "code").rglob("out.csv")) and not preparing_processes()


def test_a_run_of_a_repository_at_a_commit_runs_from_there(site: Site, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "flows" / "main.py").write_text("raise SystemExit('not this one')")
    git(repository, "commit", "-q", "-a", "-m", "two")
    source = {"kind": "git", "url": f"file://{repository}", "commit": commit, "subfolder": "flows"}
    site.deploy(source=source, **ABSENT)
    site.agent()
    (run_id,) = site.submit()
    run = site.until(run_id, State.COMPLETED, State.FAILED)
    assert run.state == State.COMPLETED and "word brisk" in site.lines(run_id)[0], site.told(run_id)


def test_code_that_is_gone_fails_the_run_with_the_reason_and_without_a_retry(site: Site) -> None:
    site.deploy(source={"kind": "bundle", "digest": "0" * 64}, retries=5, retry_delay_seconds=1, **ABSENT)
    site.agent()
    (run_id,) = site.submit()
    run = site.until(run_id, State.FAILED)
    assert run.state_name == "NotPrepared"
    assert "its code is not in Redis any more; deploy it again and retry the run" in run.reason


LAPTOP = """
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec
from orchestrator.flow_runners import SubprocessFlowRunner
from aid.words import WORD

@flow
def {name}():
    import alpha
    print(WORD, alpha.VERSION, open("config.yml").read())

DeploymentSpec(flow={name}, name="d", flow_runner=SubprocessFlowRunner(requirements={lines}))
"""


@pytest.mark.slow
def test_deployments_of_a_laptop_that_is_gone_run_side_by_side_with_requirements_that_conflict(site: Site) -> None:
    laptop, wheels = site.folder / "laptop", site.folder / "wheels"
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "alpha", version)
        name = f"flow{version[0]}"
        lines = [*offline(wheels), f"alpha=={version}"]
        texts = {
            f"{name}.py": LAPTOP.format(name=name, lines=lines),
            "config.yml": "a: 1",
            "aid/words.py": "WORD = 'x'",
        }
        for path, text in texts.items():
            (laptop / path).parent.mkdir(parents=True, exist_ok=True)
            (laptop / path).write_text(text)
        command = [sys.executable, "-m", "orchestrator", "deployment", "create", f"{name}.py"]
        subprocess.run(command, cwd=laptop, check=True, env={**os.environ, "HEADGATE_REDIS_URL": site.redis.url})
    shutil.rmtree(laptop)
    site.agent()
    runs = [site.submit(name=name)[0] for name in ("flow1", "flow2")]
    ended = [site.until(run, State.COMPLETED, State.FAILED, within=120) for run in runs]
    assert [run.attempt for run in ended] == [1, 1], "what is given back unstarted was no attempt"
    assert [site.lines(run) for run in runs] == [["x 1.0 a: 1"], ["x 2.0 a: 1"]], site.told(runs[0])


def start_delays(site: Site, count: int) -> list[float]:
    """How many milliseconds runs of the deployment `quick` took to start, one after the other."""
    delays = []
    for _ in range(count):
        (run_id,) = site.submit(name="quick")
        run = site.until(run_id, State.COMPLETED)
        delays.append(((run.started_us or 0) - run.created_us) / 1000)
    return sorted(delays)


@pytest.mark.slow
def test_preparing_four_large_deployments_delays_the_start_of_another_by_less_than_a_tenth_of_a_second(
    site: Site,
) -> None:
    site.deploy("from orchestrator import flow\n@flow\ndef quick():\n    pass\n", name="quick")
    for name in ("one", "two", "three", "four"):
        noise = {f"pack/part{number}.py": f"X = {os.urandom(1500).hex()!r}\n" * 2 for number in range(1500)}
        deploy(site, {"main.py": FLOW, **noise}, name=name)
    site.agent(limit=2, lease_seconds=30.0, renew_seconds=5.0)
    start_delays(site, 3)
    alone = start_delays(site, 15)
    for name in ("one", "two", "three", "four"):
        site.submit(name=name)
    wait_until(lambda: len(preparing_processes()) == 4)
    beside: list[float] = []
    while len(preparing_processes()) == 4 and len(beside) < 15:
        beside += start_delays(site, 1)
    told = f"alone {[*map(round, alone)]} ms, beside {[*map(round, beside)]} ms"
    print(told)
    assert len(beside) >= 3 and median(beside) - median(alone) < 100, told


def test_a_run_whose_code_is_prepared_holds_no_slot_and_another_starts_at_once(site: Site) -> None:
    slow = site.folder / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    site.deploy(name="slow", source={"kind": "git", "url": "file:///nowhere", "commit": "1" * 40}, **ABSENT)
    site.deploy("from orchestrator import flow\n@flow\ndef quick():\n    note('ran')\n", name="quick")
    os.environ["PATH"], before = f"{slow.parent}:{os.environ['PATH']}", os.environ["PATH"]
    try:
        site.agent(limit=1, renew_seconds=0.3)
    finally:
        os.environ["PATH"] = before
    (waits,) = site.submit(name="slow")
    wait_until(preparing_processes)
    for _ in range(3):
        (runs,) = site.submit(name="quick")
        site.until(runs, State.COMPLETED)
    run = site.run(waits)
    assert run.state == State.QUEUED and run.held == () and site.store.presence.held("a1") == []
    client = Client(site.store)
    told = "agent a1 is preparing its code: fetching 111111111111 from file:///nowhere, for "
    wait_until(
        lambda: (client.get_flow_run(waits).why or "").startswith(told), 20, message=lambda: str(client.explain(waits))
    )
    pids = preparing_processes()
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in pids} == {10}, "runs come first"
    site.kill(site.supervisor(site.keepers[0]))
    wait_until(lambda: not any(map(is_running, pids)))


def test_an_agent_that_starts_removes_what_a_dead_one_left_half_made(site: Site) -> None:
    home = site.folder / "home"
    half_built, half_fetched = home / "environments" / ("a" * 32), home / "code" / "an-earlier-boot" / "x"
    for folder in (half_built, half_fetched):
        folder.mkdir(parents=True, mode=0o700)
        (folder / "file").write_text("half")
    for folder in (home, home / "environments", home / "code"):
        folder.chmod(0o700)
    site.agent()
    wait_until(lambda: not half_built.exists() and not half_fetched.exists(), message=site.log_of_agents)
