"""Flows that do everything to outlive their slot or to harm others, all at once under one agent, beside a quiet one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.control_group import mounted
from agent.leftovers import RUN_VARIABLE
from agent.process_tree import environment_value
from orchestrator.process.template import PLACEHOLDER
from queues.states import State
from tests.lifecycle.hostile_flows import FLOWS, Hostile, text_of
from tests.lifecycle.warm_site import WarmSite
from tests.lifecycle.worksite import Site, below, groups_of, is_running, processes_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What became of all of them."""

    site: Site
    runs: dict[str, str]
    quiet: str


def play(site: Site, flows: dict[str, Hostile], *, within: Sequence[str] = ()) -> Scene:
    """Run all of them at once beside the quiet one, to their ends."""
    site.write(text_of(flows))
    for name in ("quiet", *flows):
        site.deploy(name=name)
    site.start_agent(name="a1", within=within, limit=4, lease_seconds=15.0, renew_seconds=1.0)
    if isinstance(site, WarmSite):
        site.rehearse()
    (quiet,) = site.submit(name="quiet")
    site.until_noted("quiet", 20)
    runs = {name: site.submit(name=name)[0] for name in flows}
    for run_id in runs.values():
        site.until(run_id, State.COMPLETED, State.FAILED, State.CRASHED, within=60)
    return Scene(site=site, runs=runs, quiet=quiet)


def without_groups() -> list[str]:
    """A command that executes its arguments where no control groups are mounted."""
    where = mounted()
    if where is None:
        return []
    if os.geteuid() != 0:
        pytest.skip("expected to be root, to take the control groups away from an agent")
    return ["unshare", "--mount", "sh", "-c", 'umount "$1" && shift && exec "$@"', "sh", where[1]]


@pytest.fixture(scope="module", params=[Site, WarmSite], ids=["cold", "warm"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with RedisServer() as redis:
        site: Site = request.param(redis, tmp_path_factory.mktemp("hostile"))
        try:
            yield play(site, FLOWS)
        finally:
            site.close()


@pytest.mark.parametrize("name", FLOWS)
def test_a_hostile_flow_ends_as_it_deserves_and_nothing_of_it_is_left(scene: Scene, name: str) -> None:
    run_id = scene.runs[name]
    assert not isinstance(scene.site, WarmSite) or scene.site.forked(run_id)
    run = scene.site.run(run_id)
    assert (run.state, run.attempt) == (FLOWS[name].state, 1), scene.site.told(run_id)
    assert FLOWS[name].reason in run.reason
    assert not processes_of(run_id)


def test_of_all_that_hostile_flows_left_behind_nothing_runs_and_others_were_not_disturbed(scene: Scene) -> None:
    left = [int(pid) for pid in scene.site.notes("daemons")]
    assert len(left) >= sum(hostile.left for hostile in FLOWS.values())
    assert sorted(scene.site.notes("ran")) == sorted(FLOWS)
    assert not [pid for pid in left if is_running(pid)], "and the quiet run still held its slot beside them"
    supervisor = scene.site.supervisor(scene.site.keepers[0])
    for group in groups_of(supervisor):
        assert set(group.members()) == {supervisor, *below(supervisor)}
        assert len([pid for pid in below(supervisor) if environment_value(pid, RUN_VARIABLE) != PLACEHOLDER]) == 1
    (scene.site.folder / "enough").touch()
    quiet = scene.site.until(scene.quiet, State.COMPLETED)
    assert quiet.attempt == 1 and scene.site.store.records.data(quiet.id, "result") == b'"undisturbed"'


def test_too_large_a_result_is_shown_and_not_kept(scene: Scene) -> None:
    data = scene.site.store.records.data
    assert data(scene.runs["returns_too_much"], "result") is None
    assert 0 < len(data(scene.runs["returns_too_much"], "result_repr") or b"") < 10_000


@pytest.mark.slow
def test_where_groups_are_not_permitted_the_process_tree_and_the_brands_do(site: Site) -> None:
    played = play(site, FLOWS, within=without_groups())
    assert "ends_runs_by='process tree'" in (site.folder / "agent-0.log").read_text()
    for name, run_id in played.runs.items():
        assert site.run(run_id).state == FLOWS[name].state and not processes_of(run_id)
    left = [int(pid) for pid in site.notes("daemons")]
    assert len(left) >= sum(hostile.left for hostile in FLOWS.values()) and not [p for p in left if is_running(p)]


@pytest.mark.slow
def test_a_fork_bomb_is_ended_while_it_forks(site: Site) -> None:
    group = Path(f"/sys/fs/cgroup/pids/headgate-test-{os.getpid()}")
    if not os.access(group.parent, os.W_OK):
        pytest.skip("no group with a limit of processes may be made here: a fork bomb would take the machine along")
    group.mkdir()
    try:
        (group / "pids.max").write_text("150")
        site.deploy(
            """
            from orchestrator import flow
            @flow
            def main():
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                note("bombs", os.getpid())
                while True:
                    try:
                        if os.fork() == 0:
                            os.setsid()
                    except OSError:
                        pass
            """
        )
        keeper = site.start_agent(name="a1", within=["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"])
        (run_id,) = site.submit()
        site.until_noted("bombs")
        wait_until(lambda: int((group / "pids.current").read_text()) >= 140, 10)
        site.store.records.cancel(run_id, actor="a_test")
        site.until(run_id, State.CANCELLED, within=30)
        assert not processes_of(run_id) and set(below(keeper.pid)) == {site.supervisor(keeper)}
    finally:
        site.close()
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


@pytest.mark.slow
def test_a_flow_that_prints_without_end_is_cut_in_the_log_and_not_in_its_stride(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            noise = os.urandom(1 << 20)
            for _ in range(60):
                os.write(1, noise)
            print("the end")
        """
    )
    keeper = site.agent("a1")
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED, within=120)
    status = Path(f"/proc/{site.supervisor(keeper)}/status").read_text()
    assert int(status.partition("VmHWM:")[2].split()[0]) < 150_000, "kB: 60 MB went through"
    # An agent that has much to ship tells the end of a run before the last lines of it are in Redis.
    wait_until(lambda: "the end" in {line.record.text for line in site.store.logs.read(run_id, limit=1_000_000)}, 30)


@pytest.mark.slow
def test_a_flow_that_takes_too_much_memory_is_named_for_it_and_the_agent_lives(site: Site) -> None:
    group = Path(f"/sys/fs/cgroup/memory/headgate-test-{os.getpid()}")
    if not os.access(group.parent, os.W_OK):
        pytest.skip("no memory groups of version 1 that may be made here: nothing kills for want of memory")
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(300 << 20))
        site.deploy("from orchestrator import flow\n@flow\ndef main():\n    return len(bytearray(600 << 20))\n")
        keeper = site.start_agent(name="a1", within=["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"])
        (run_id,) = site.submit()
        run = site.until(run_id, State.CRASHED, within=20)
        assert "out of memory" in run.reason and "the kernel counted an OOM kill" in run.reason
        assert keeper.poll() is None
    finally:
        site.close()
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
