"""Flows under a real agent, cold and warm: what they return, print, and break."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from queues.states import State
from tests.lifecycle.warm_site import WarmSite
from tests.lifecycle.worksite import Site, processes_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until


@pytest.fixture(params=[Site, WarmSite], ids=["cold", "warm"])
def site(request: pytest.FixtureRequest, own_redis: RedisServer, tmp_path: Path) -> Iterator[Site]:
    """Both ways to launch: every test here is about both."""
    made: Site = request.param(own_redis, tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_a_flow_returns_its_value_and_its_lines(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow, get_run_logger
        @flow
        def main(name):
            print("one", name)
            get_run_logger().info("two")
            return {"sum": 3}
        """
    )
    site.agent()
    (run_id,) = site.submit(parameters=[{"name": "x"}])
    run = site.until(run_id, State.COMPLETED)
    assert site.store.records.data(run_id, "result") == b'{"sum":3}'
    assert site.lines(run_id) == ["one x", "two"]
    assert (run.attempt, run.fields["exit_code"], run.agent) == (1, "0", "a1")


def test_many_short_runs_never_exceed_the_queues_limit_and_start_in_order(site: Site) -> None:
    site.store.queues.create("ml", limit=3, actor="a test")
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main(number):
            note("number", number)
            note("spans", f"{time.monotonic_ns()} 1")
            time.sleep(0.05)
            note("spans", f"{time.monotonic_ns()} -1")
        """,
        queue="ml",
    )
    for name in ("a1", "a2"):
        site.agent(name, queues=("ml",), limit=4)
    runs = [site.submit(parameters=[{"number": number}])[0] for number in range(60)]
    wait_until(lambda: all(site.run(run_id).state == State.COMPLETED for run_id in runs), 30)
    level = peak = 0
    for line in sorted(site.notes("spans"), key=lambda line: int(line.split()[0])):
        level += int(line.split()[1])
        peak = max(peak, level)
    assert level == 0 and 2 <= peak <= 3
    assert sorted(int(line) for line in site.notes("number")) == list(range(60))
    assert sorted(runs, key=lambda run_id: claimed_at(site, run_id)) == runs, "first in, first claimed"


def claimed_at(site: Site, run_id: str) -> int:
    """When a run became PENDING, in microseconds."""
    (claimed,) = [move.at_us for move in site.run(run_id).history if move.state == State.PENDING]
    return claimed


ENDS = [
    ("os._exit(3)", State.CRASHED, "exited with code 3 without a result", "exit_code", "3"),
    ("os.kill(os.getpid(), 9)", State.CRASHED, "killed by signal 9, likely out of memory", "signal", "SIGKILL"),
    ("os.kill(os.getpid(), 11)", State.CRASHED, "killed by signal 11 (SIGSEGV)", "signal", "SIGSEGV"),
    ("os.killpg(0, 9)", State.CRASHED, "killed by signal 9", "signal", "SIGKILL"),
    ("raise ValueError('no such taxi')", State.FAILED, "no such taxi", "exit_code", "0"),
    ("sys.exit(4)", State.FAILED, "sys.exit(4)", "exit_code", "0"),
    ("time.sleep(.1); os.write(3, b'nonsense'); time.sleep(60)", State.CRASHED, "wire protocol", "signal", "SIGKILL"),
]


@pytest.mark.parametrize(("code", "state", "reason", "field", "value"), ENDS)
def test_every_way_to_end_has_its_reason(
    site: Site, code: str, state: State, reason: str, field: str, value: str
) -> None:
    site.deploy(f"from orchestrator import flow\n@flow\ndef main():\n    print('last words')\n    {code}\n")
    site.agent()
    (run_id,) = site.submit()
    run = site.until(run_id, state)
    assert reason in run.reason and run.fields[field] == value
    assert "last words" in site.lines(run_id)


def test_a_failed_flow_leaves_its_traceback_and_is_tried_again(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            note("tries")
            if len(open(os.path.join(NOTES, "tries")).readlines()) < 3:
                raise ValueError("not yet")
        """,
        retries=2,
        retry_delay_seconds=0.1,
    )
    site.agent()
    (run_id,) = site.submit()
    wait_until(lambda: site.store.records.promote() and site.run(run_id).state == State.COMPLETED, 15)
    assert len(site.notes("tries")) == 3 and site.run(run_id).attempt == 3


def test_what_grandchildren_print_is_in_the_log(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            print("before", flush=True)
            subprocess.run([sys.executable, "-c", "print('from a grandchild')"], check=True)
            if os.fork() == 0:
                print("from a fork", flush=True)
                os._exit(0)
            os.wait()
            subprocess.run("echo to stderr >&2; printf 'no line end'", shell=True, check=True)
            print("after")
        """
    )
    site.agent()
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED)
    assert site.lines(run_id) == ["before", "from a grandchild", "from a fork", "to stderr", "after", "no line end"]


def test_a_hundred_thousand_lines_arrive_in_order_without_a_gap(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            subprocess.run(["seq", "60000"], check=True)
            for number in range(60001, 100001):
                print(number)
        """
    )
    site.agent(lease_seconds=30.0)
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED, within=30)
    lines = site.store.logs.read(run_id, limit=1_000_000)
    assert [int(line.record.text) for line in lines] == list(range(1, 100001))
    assert [line.at.sequence for line in lines] == list(range(1, 100001))


def test_daemons_that_a_flow_leaves_behind_are_gone_before_its_slot_is_free(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            hidden = {**os.environ}
            hidden.pop("HEADGATE_RUN_ID")
            for environment in (None, hidden):
                subprocess.Popen("setsid sleep 6003 & setsid sleep 6003 & exit", shell=True, env=environment)
            for _ in range(50):
                if len([p for p in os.listdir("/proc") if p.isdigit() and sleeps(p)]) >= 4:
                    break
                time.sleep(0.05)
        def sleeps(pid):
            try:
                words = open(f"/proc/{pid}/cmdline").read().split(chr(0))
                if words[:2] == ["sleep", "6003"] and os.getsid(int(pid)) == int(pid):
                    note("sleepers.pid", pid)
                    return True
            except OSError:
                pass
            return False
        """
    )
    site.agent()
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED)
    sleepers = {int(pid) for pid in site.notes("sleepers.pid")}
    assert len(sleepers) >= 4 and not processes_of(run_id)
    assert not [pid for pid in sleepers if Path(f"/proc/{pid}").exists()]


def test_the_flows_environment_holds_neither_redis_nor_what_was_not_meant_for_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_REDIS_URL", "redis://:secret@nowhere")
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("LC_TIME", "C")
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            for name, value in os.environ.items():
                note("environment", f"{name}={value}")
        """,
        env={"REGION": "south"},
    )
    site.agent()
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED)
    found = dict(line.split("=", 1) for line in site.notes("environment"))
    assert found["REGION"] == "south" and found["LC_TIME"] == "C" and found["HEADGATE_RUN_ID"] == run_id
    assert "secret" not in str(found)


def test_a_missing_interpreter_fails_the_run_and_names_host_and_path(site: Site) -> None:
    site.deploy("from orchestrator import flow\n@flow\ndef main():\n    pass\n", virtualenv="/nowhere/venv")
    site.agent()
    (run_id,) = site.submit()
    reason = site.until(run_id, State.FAILED).reason
    assert "/nowhere/venv/bin/python" in reason and " on " in reason


def test_another_interpreter_runs_the_flow(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other-python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    site.deploy(
        "from orchestrator import flow\n@flow\ndef main():\n    return sys.argv[0] or sys.executable\n",
        python=str(other),
    )
    site.agent()
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED)


def test_a_run_without_its_code_here_goes_back_and_is_not_claimed_in_a_loop(site: Site) -> None:
    site.deploy("pass", path="/nowhere/flow.py")
    site.agent()
    (run_id,) = site.submit()
    wait_until(lambda: site.run(run_id).attempt >= 2, 10)
    run = site.run(run_id)
    assert run.lost == 0 and run.attempt <= 3
    assert any("has no /nowhere/flow.py" in move.reason for move in run.history)


def test_a_daemon_that_runs_away_by_forking_is_caught(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            if os.fork() == 0:
                os.setsid()
                os.close(1), os.close(2)
                until = time.monotonic() + 20
                while time.monotonic() < until:
                    if os.fork():
                        os._exit(0)
                os._exit(0)
        """
    )
    site.agent()
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED, within=8)
    assert not processes_of(run_id)
