"""Machines that allow too little, names and numbers that are not what they seem, signals, and time that jumps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.control_group import group_of
from agent.host_check import OPEN_FILES
from agent.kernel import children_of
from agent.process_tree import facts
from agent.runners.descriptor_limit import PER_RUN
from queues.identity import ProcessIdentity
from queues.presence import Presence, Registered
from queues.states import State
from tests.lifecycle.worksite import Site, below, is_running
from tests.support.waiting import wait_until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, namespaces, limits of other users")
QUICK = "from orchestrator import flow\n@flow\ndef main():\n    note('ran', os.getpid())\n    return os.getcwd()\n"
WAITS = "from orchestrator import flow\n@flow\ndef main():\n    note('ran', os.getpid())\n    time.sleep(600)\n"
ANOTHER_USER = [
    "setpriv",
    "--reuid=65534",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
]
HERE = ProcessIdentity.here()


@pytest.fixture
def stranger() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        assert process.poll() is None, "a stranger was killed"
        process.kill()


def ghost(site: Site, pid: int, *, boot_id: str = HERE.boot_id) -> Presence:
    """Somebody is registered as a1 who is not there."""
    presence = Presence(site.store.scripts, silent_seconds=1.8)
    identity = ProcessIdentity(host=HERE.host, pid=pid, boot_id=boot_id, started="1")
    assert isinstance(presence.register("a1", ["default"], limit=2, instance="ghost", identity=identity), Registered)
    return presence


# -------------------------------------------------------------------- limits
@root_only
@pytest.mark.parametrize(
    ("within", "said"),
    [
        (["prlimit", "--nofile=20:20"], f"open files to be at least {OPEN_FILES + PER_RUN}, got 20; raise it"),
        (
            [*ANOTHER_USER, "prlimit", "--nproc=5:5"],
            "processes and threads of this user to be at least 13, got 5; raise",
        ),
        (["unshare", "-m", "sh", "-c", 'umount -l /proc; exec "$@"', "sh"], "expected /proc to be mounted"),
    ],
)
def test_a_machine_that_allows_too_little_is_refused_with_the_value_needed(
    site: Site, within: list[str], said: str
) -> None:
    keeper = site.start_agent(name="a1", within=within)
    assert keeper.wait(10) == 2
    assert said in site.log_of_agents() and "Traceback" not in site.log_of_agents()


@pytest.mark.slow
@root_only
def test_few_open_files_are_told_and_as_many_runs_as_fit_go_on(site: Site) -> None:
    site.deploy(QUICK)
    site.start_agent(name="a1", within=["prlimit", "--nofile=60:60"], limit=30)
    for run_id in site.submit(12):
        site.until(run_id, State.COMPLETED, within=40)
    log = (site.folder / "agent-0.log").read_text()
    assert "too few open files" in log and "granted=60" in log


@pytest.mark.slow
@root_only
@pytest.mark.parametrize("tmp", ["/nowhere", "{folder}/full"])
def test_a_read_only_disk_and_a_missing_or_full_tmpdir_hold_no_run_up(site: Site, tmp: str) -> None:
    full = site.folder / "full"
    full.mkdir()
    site.deploy(QUICK, env={"TMPDIR": tmp.format(folder=site.folder)})
    mounts = f"mount -t tmpfs -o size=64k tmpfs {full}; dd if=/dev/zero of={full}/x 2>/dev/null; "
    mounts += f"mount --bind {site.folder} {site.folder}; mount --bind {site.redis.folder} {site.redis.folder}; "
    within = ["unshare", "-m", "sh", "-c", f'{mounts} mount -o remount,bind,ro / && exec "$@"', "sh"]
    site.start_agent(name="a1", within=within)
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED)


@pytest.mark.slow
@root_only
def test_a_flow_that_fills_its_tmpdir_fails_and_says_why_and_others_go_on(site: Site) -> None:
    full = site.folder / "full"
    full.mkdir()
    fill = "from orchestrator import flow\n@flow\ndef main():\n"
    fill += f"    with open({str(full / 'x')!r}, 'wb') as file:\n"
    fill += "        while True:\n            file.write(bytes(65536))\n"
    site.deploy(fill + "\n@flow\ndef other():\n    import tempfile\n    return tempfile.gettempdir()\n")
    site.deploy(name="other")
    within = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size=1m tmpfs {full} && exec "$@"', "sh"]
    site.start_agent(name="a1", within=within)
    (filling,), (other,) = site.submit(), site.submit(name="other")
    assert "No space left on device" in site.until(filling, State.FAILED).reason
    site.until(other, State.COMPLETED)


# -------------------------------------------------------------------- names and numbers
def test_a_holder_whose_number_is_a_strangers_by_now_is_dead_and_the_stranger_stays(site: Site, stranger: int) -> None:
    ghost(site, stranger)
    began = time.monotonic()
    site.agent("a1", lease_seconds=60.0)
    assert time.monotonic() - began < 15 and site.holder("a1") != stranger
    assert is_running(stranger)


@pytest.mark.slow
def test_a_holder_of_another_boot_is_waited_for_and_its_number_is_left_alone(site: Site, stranger: int) -> None:
    ghost(site, stranger, boot_id="another-boot/pid:[1]")
    keeper = site.start_agent(name="a1")
    began = time.monotonic()
    wait_until(lambda: site.instance("a1") not in (None, "ghost"), 15)
    assert keeper.poll() is None and is_running(stranger)
    assert "held by" not in site.log_of_agents() and time.monotonic() - began < 12


def test_a_living_clone_of_this_machine_is_told_from_a_reboot_and_keeps_its_name(site: Site) -> None:
    presence = ghost(site, os.getpid(), boot_id="another-boot/pid:[1]")
    keeper = site.start_agent(name="a1")

    def heartbeat() -> bool:
        site.store.scripts.redis.hset(site.store.keys.agent("a1"), "seen", site.store.scripts.now_us())
        return keeper.poll() is not None

    wait_until(heartbeat, 15, every=0.2)
    assert keeper.returncode == 4 and presence.get("a1").instance == "ghost"
    assert "(a clone?)" in site.log_of_agents()


@root_only
@pytest.mark.parametrize(
    "name", ["büro-größe", *(pytest.param(name, marks=pytest.mark.slow) for name in ("h" * 64, "-", "Ä" * 32))]
)
def test_any_host_name_and_the_plainest_locale_do(site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(variable, value)
    rename = f"import os, socket, sys; socket.sethostname({name.encode()!r}); os.execv(sys.argv[1], sys.argv[1:])"
    site.deploy("from orchestrator import flow\n@flow\ndef main():\n    print('größer')\n")
    site.start_agent(within=["unshare", "--uts", sys.executable, "-c", rename])
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED)
    assert site.lines(run_id) == ["größer"]
    (agent,) = Presence(site.store.scripts).all()
    assert agent.name.isascii() and agent.name.endswith("-1")


# -------------------------------------------------------------------- signals
@root_only
def test_as_process_1_of_a_container_it_runs_reaps_and_drains(site: Site) -> None:
    site.deploy(
        "from orchestrator import flow\n@flow\ndef main():\n    subprocess.Popen('sleep 0.1 & exit', shell=True)\n"
    )
    outer = site.start_agent(name="a1", within=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
    for run_id in site.submit(3):
        site.until(run_id, State.COMPLETED)
    (keeper,) = children_of(outer.pid)
    assert site.holder("a1") != site.supervisor(outer), "numbers in there are other numbers"
    wait_until(lambda: not [pid for pid in below(keeper) if (found := facts(pid)) and found.dead])
    os.kill(keeper, signal.SIGTERM)
    assert outer.wait(10) == 0 and site.instance("a1") is None


@pytest.mark.slow
def test_signals_that_mean_nothing_change_nothing_and_sighup_drains(site: Site) -> None:
    site.deploy(QUICK)
    keeper = site.agent("a1")
    supervisor = site.supervisor(keeper)
    for _ in range(200):
        os.kill(supervisor, signal.SIGCHLD)
        os.kill(keeper.pid, signal.SIGCHLD)
    for number in (signal.SIGUSR1, signal.SIGPIPE):
        os.kill(supervisor, number)
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED)
    assert site.supervisor(keeper) == supervisor
    keeper.send_signal(signal.SIGHUP)
    assert keeper.wait(10) == 0


@pytest.mark.slow
def test_closed_standard_descriptors_and_readers_that_went_away_do_not_matter(site: Site) -> None:
    site.deploy(QUICK)
    keeper = site.start_agent(name="a1", within=["sh", "-c", '{ exec "$@"; } 2>&1 <&- | head -c 10 >/dev/null', "sh"])
    for run_id in site.submit(4):
        site.until(run_id, State.COMPLETED)
    assert keeper.poll() is None


# -------------------------------------------------------------------- time
@pytest.mark.slow
@root_only
def test_an_agent_that_was_frozen_with_all_its_runs_is_dead_before_they_start_elsewhere(site: Site) -> None:
    around = group_of("self")
    if around is None or not Path(around.path, "cgroup.procs").exists():
        pytest.skip("no control groups of version 2 here: nothing to freeze")
    cold = around.below(f"headgate-test-{os.getpid()}")
    cold.make()
    try:
        site.deploy(WAITS)
        into = f'echo $$ > "{cold.path}/cgroup.procs" && exec "$@"'
        site.start_agent(name="a1", within=["sh", "-c", into, "sh"])
        (run_id,) = site.submit()
        (first,) = map(int, site.until_noted("ran"))
        (Path(cold.path) / "cgroup.freeze").write_text("1")
        site.agent("a2")
        wait_until(lambda: not is_running(first), 5.0, message="the kernel's timer to end what is frozen")
        wait_until(lambda: site.expire() == 0 and len(site.notes("ran")) == 2, 10)
        (Path(cold.path) / "cgroup.freeze").write_text("0")
        assert site.run(run_id).agent == "a2" and site.run(run_id).attempt == 2
        wait_until(
            lambda: any(agent.is_alive for agent in Presence(site.store.scripts).all() if agent.name == "a1"), 10
        )
    finally:
        site.close()
        wait_until(lambda: not cold.is_populated(), 10)
        cold.remove()
