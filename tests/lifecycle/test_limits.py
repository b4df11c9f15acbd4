"""Flows that use more than they may, all at once under one agent: each ends with its reason, others go on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.client import Client
from queues.records import Run
from queues.states import State
from tests.lifecycle.worksite import Site, processes_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

MIB = 1 << 20
FLOWS: dict[str, tuple[dict[str, Any], str]] = {
    "quiet": (
        {},
        """
        note('quiet')
        while not os.path.exists(os.path.join(NOTES, 'enough')): time.sleep(0.05)
        return 'undisturbed'
        """,
    ),
    "grows": ({"memory_bytes": 96 * MIB}, "kept = []\nwhile True: kept.append(b'x' * (4 << 20)); time.sleep(0.02)"),
    "leaps": ({"memory_bytes": 64 * MIB}, "return len(bytearray(4 << 30))"),
    "crowd": (
        {"memory_bytes": 160 * MIB},
        """
        for _ in range(4):
            if os.fork() == 0:
                kept = b'x' * (60 << 20)
                time.sleep(60)
        time.sleep(60)
        """,
    ),
    "shares": (
        {"memory_bytes": 160 * MIB},
        """
        kept = b'x' * (60 << 20)
        children = []
        for _ in range(6):
            child = os.fork()
            if child == 0: time.sleep(1); os._exit(0)
            children.append(child)
        for child in children: os.waitpid(child, 0)
        return 'shared'
        """,
    ),
    "spins": ({"cpu_seconds": 1}, "while True: pass"),
    "spins_deaf": (
        {"cpu_seconds": 1},
        """
        signal.signal(signal.SIGXCPU, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            child = os.fork()
            if child == 0:
                end = time.process_time() + 0.2
                while time.process_time() < end: pass
                os._exit(0)
            os.waitpid(child, 0)
        """,
    ),
    "forks": (
        {"processes": 5},
        """
        while True:
            if os.fork() == 0: time.sleep(60)
            time.sleep(0.02)
        """,
    ),
    "bomb": (
        {"processes": 20},
        """
        os.setsid() if os.fork() == 0 else None
        while True:
            try: os.fork()
            except OSError: pass
            time.sleep(0.01)
        """,
    ),
    "opens": ({"open_files": 40}, "kept = [open('/dev/null') for _ in range(60)]"),
    "raises": (
        {"open_files": 40, "memory_bytes": 96 * MIB},
        """
        import resource
        for which in (resource.RLIMIT_DATA, resource.RLIMIT_NOFILE):
            try: resource.setrlimit(which, (1 << 40, 1 << 40))
            except (OSError, ValueError): pass
        kept = []
        while True: kept.append(b'x' * (4 << 20)); time.sleep(0.02)
        """,
    ),
    "nice": ({"nice": 7}, "return os.getpriority(os.PRIO_PROCESS, 0)"),
    "works": (
        {"memory_bytes": 2 << 30, "cpu_seconds": 60, "processes": 8, "open_files": 256},
        """
        def burn():
            end = time.process_time() + 0.3
            while time.process_time() < end: pass
        kept = b'x' * (70 << 20)
        burn()
        if os.fork() == 0:
            if os.fork() == 0: burn(); os._exit(0)
            os._exit(0)
        os.wait()
        time.sleep(1)
        """,
    ),
}


class Scene:
    """What became of all of them."""

    def __init__(self, site: Site, runs: dict[str, str]) -> None:
        self.site = site
        self.runs = runs

    def run(self, name: str) -> Run:
        """The record of a flow's run."""
        return self.site.run(self.runs[name])

    def result(self, name: str) -> Any:
        """What a flow returned."""
        return json.loads(self.site.store.records.data(self.runs[name], "result") or b"null")


def text_of() -> str:
    """The file with all flows."""
    import textwrap

    text = "from orchestrator import flow\n"
    for name, (_, body) in FLOWS.items():
        text += f"@flow\ndef {name}():\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
    return text


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with RedisServer() as redis:
        site = Site(redis, tmp_path_factory.mktemp("limits"))
        try:
            site.write(text_of())
            for name, (limits, _) in FLOWS.items():
                site.deploy(name=name, **({"limits": limits} if limits else {}))
            site.agent(limit=4, lease_seconds=15.0, renew_seconds=1.0)
            runs = {"quiet": site.submit(name="quiet")[0]}
            site.until_noted("quiet", 20)
            runs |= {name: site.submit(name=name)[0] for name in FLOWS if name != "quiet"}
            for name in FLOWS:
                if name != "quiet":
                    site.until(runs[name], State.COMPLETED, State.FAILED, State.CRASHED, within=60)
            (site.folder / "enough").touch()
            site.until(runs["quiet"], State.COMPLETED)
            yield Scene(site, runs)
        finally:
            site.close()


@pytest.mark.parametrize(
    ("name", "begins", "remedy"),
    [
        ("grows", "over its memory limit of 96 MiB (peak ", "raise limits.memory"),
        ("leaps", "over its memory limit of 64 MiB (peak ", "raise limits.memory"),
        ("crowd", "over its memory limit of 160 MiB (peak ", "raise limits.memory"),
        ("raises", "over its memory limit of 96 MiB (peak ", "raise limits.memory"),
        ("spins", "over its CPU limit of 1 s (used ", "raise limits.cpu_seconds"),
        ("spins_deaf", "over its CPU limit of 1 s (used ", "raise limits.cpu_seconds"),
        ("forks", "over its limit of 5 processes at once (peak ", "raise limits.processes"),
        ("bomb", "over its limit of 20 processes at once (peak ", "raise limits.processes"),
        ("opens", "over its limit of 40 open files in one process", "raise limits.open_files"),
    ],
)
def test_a_run_over_a_limit_fails_with_the_limit_the_peak_and_the_remedy(
    scene: Scene, name: str, begins: str, remedy: str
) -> None:
    run = scene.run(name)
    assert (run.state, run.state_name) == (State.FAILED, "OverLimit"), scene.site.told(run.id)
    assert run.reason.startswith(begins) and remedy in run.reason
    assert run.reason in scene.site.lines(run.id)


def test_the_run_beside_them_is_not_disturbed(scene: Scene) -> None:
    assert scene.result("quiet") == "undisturbed" and scene.run("quiet").attempt == 1


def test_nothing_of_them_is_left(scene: Scene) -> None:
    assert [processes_of(run_id) for run_id in scene.runs.values()] == [[] for _ in scene.runs]


def test_memory_that_processes_share_counts_once(scene: Scene) -> None:
    assert scene.result("shares") == "shared"


def test_a_flow_is_as_nice_as_its_deployment_says(scene: Scene) -> None:
    assert scene.result("nice") == max(7, os.getpriority(os.PRIO_PROCESS, 0))


def test_the_use_of_a_run_counts_all_its_processes_and_is_shown(scene: Scene) -> None:
    shown = Client(scene.site.store, actor="a test").get_flow_run(scene.runs["works"])
    assert 70 * MIB < shown.max_rss_bytes < 400 * MIB
    assert 0.55 < shown.cpu_seconds < 10


def test_a_flow_that_needs_little_is_not_shown_with_what_its_agent_needs(scene: Scene) -> None:
    shown = Client(scene.site.store, actor="a test").get_flow_run(scene.runs["nice"])
    assert shown.max_rss_bytes is not None and 0 < shown.max_rss_bytes < 40 * MIB


@pytest.mark.skipif(os.geteuid() != 0, reason="expected to be root, to take its privileges away")
def test_an_agent_without_privileges_holds_flows_to_the_same_limits(site: Site) -> None:
    site.deploy(text_of(), name="raises", limits=FLOWS["raises"][0])
    site.deploy(name="spins", limits=FLOWS["spins"][0])
    site.start_agent(name="a1", within=["setpriv", "--bounding-set=-all", "--inh-caps=-all"])
    runs = [site.submit(name=name)[0] for name in ("raises", "spins")]
    reasons = [site.until(run_id, State.FAILED, State.CRASHED, within=30).reason for run_id in runs]
    assert "over its memory limit of 96 MiB" in reasons[0] and "over its CPU limit of 1 s" in reasons[1]
    wait_until(lambda: not any(map(processes_of, runs)))
