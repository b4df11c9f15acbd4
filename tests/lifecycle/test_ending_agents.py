"""Drain, stop, cancel, time-out: how runs and agents end when someone asks for it."""

import json
import signal
import time

from agent.kernel import children_of
from queues.presence import Presence
from queues.states import State
from tests.lifecycle.worksite import Site, is_running, processes_of
from tests.support.waiting import wait_until

WAITS = """
from orchestrator import flow
@flow
def main():
    note("started", os.getpid())
    while not os.path.exists(os.path.join(NOTES, "go")):
        time.sleep(0.02)
    return "done"
"""
STUBBORN = """
from orchestrator import flow
@flow
def main():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    daemon = subprocess.Popen(["sleep", "600"], start_new_session=True)
    child = subprocess.Popen(["sleep", "600"])
    note("daemons.pid", daemon.pid)
    note("tree", f"{os.getpid()} {child.pid} {daemon.pid}")
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass
"""


def tree_of(site: Site) -> list[int]:
    return [int(pid) for pid in site.until_noted("tree")[0].split()]


def test_sigterm_drains_runs_end_and_nothing_new_is_claimed(site: Site) -> None:
    site.deploy(WAITS)
    keeper = site.agent()
    (running,) = site.submit()
    site.until_noted("started")
    keeper.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    wait_until(lambda: "agent drains" in site.log_of_agents(), 2.0)
    assert time.monotonic() - asked < 1.0
    (waiting,) = site.submit()
    site.write(WAITS)
    (site.folder / "go").touch()
    assert keeper.wait(10) == 0
    assert site.run(running).state == State.COMPLETED and site.run(waiting).state == State.QUEUED
    assert site.instance("a1") is None, "it left its name"


def test_a_second_signal_ends_the_runs_and_gives_them_back_without_a_loss(site: Site) -> None:
    site.deploy(STUBBORN)
    keeper = site.agent()
    (run_id,) = site.submit()
    tree = tree_of(site)
    keeper.send_signal(signal.SIGINT)
    wait_until(lambda: "agent drains" in site.log_of_agents(), 2.0)
    keeper.send_signal(signal.SIGINT)
    assert keeper.wait(10) == 0
    run = site.run(run_id)
    assert (run.state, run.lost, run.attempt) == (State.QUEUED, 0, 1)
    assert not any(map(is_running, tree))


def test_a_drain_time_ends_by_giving_the_runs_back(site: Site) -> None:
    site.deploy(STUBBORN)
    keeper = site.agent(drain_seconds=0.3, kill_seconds=0.3)
    (run_id,) = site.submit()
    tree_of(site)
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(5) == 0 and site.run(run_id).state == State.QUEUED


def test_an_operator_may_drain_and_stop_an_agent_from_anywhere(site: Site) -> None:
    site.deploy(WAITS)
    keeper = site.agent(lease_seconds=60.0, renew_seconds=20.0)
    (run_id,) = site.submit()
    site.until_noted("started")
    presence = Presence(site.store.scripts)
    presence.request("a1", "drain", actor="a test")
    wait_until(lambda: presence.get("a1").state == "draining", 2.0)
    assert is_running(int(site.notes("started")[0]))
    presence.request("a1", "stop", actor="a test")
    assert keeper.wait(5) == 0 and site.run(run_id).state == State.QUEUED


def test_cancel_ends_a_hung_flow_that_ignores_sigterm_with_all_it_started(site: Site) -> None:
    site.deploy(STUBBORN)
    site.agent()
    (run_id,) = site.submit()
    tree = tree_of(site)
    asked = time.monotonic()
    site.store.records.cancel(run_id, actor="a test")
    assert site.until(run_id, State.CANCELLED).fields["signal"] == "SIGKILL"
    assert 1.0 <= time.monotonic() - asked < 4.0, "SIGTERM, then SIGKILL after kill_seconds"
    assert not any(map(is_running, tree)) and not processes_of(run_id)


def test_a_flow_may_clean_up_when_it_is_cancelled(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            try:
                note("started")
                time.sleep(600)
            finally:
                print("cleaned up")
        """
    )
    site.agent(kill_seconds=5.0)
    (run_id,) = site.submit()
    site.until_noted("started")
    site.store.records.cancel(run_id, actor="a test")
    site.until(run_id, State.CANCELLED, within=3.0)
    assert "cleaned up" in site.lines(run_id)


def test_cancel_arrives_at_once_and_not_with_the_next_renewal(site: Site) -> None:
    site.deploy(WAITS)
    site.agent(lease_seconds=60.0, renew_seconds=20.0)
    (run_id,) = site.submit()
    site.until_noted("started")
    site.store.records.cancel(run_id, actor="a test")
    site.until(run_id, State.CANCELLED, within=2.0)


def test_a_time_out_ends_a_flow_that_hangs_where_python_can_not_interrupt_it(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})
            time.sleep(600)
        """,
        timeout_seconds=0.5,
    )
    site.agent()
    (run_id,) = site.submit()
    run = site.until(run_id, State.FAILED, within=6.0)
    assert (run.state_name, run.reason) == ("TimedOut", "took longer than 0.5 s")


def test_a_freed_slot_is_taken_within_a_moment(site: Site) -> None:
    site.deploy(WAITS)
    site.agent(limit=1)
    first, second = site.submit(2)
    site.until_noted("started")
    running = wait_until(lambda: next((run for run in (first, second) if site.run(run).state == State.RUNNING), None))
    site.store.records.cancel(running, actor="a test")
    site.until(running, State.CANCELLED)
    freed = time.monotonic()
    wait_until(lambda: len(site.notes("started")) == 2, 2.0)
    assert time.monotonic() - freed < 1.0


def test_a_waiting_agent_is_woken_within_a_moment(site: Site) -> None:
    site.deploy("from orchestrator import flow\n@flow\ndef main():\n    note('now', time.time())\n")
    site.agent()
    wait_until(lambda: site.store.scripts.redis.exists(site.store.keys.idling("a1")))
    began = time.time()
    site.submit()
    assert float(site.until_noted("now")[0]) - began < 1.0, "a poll would come after 2 s"


def test_no_zombie_is_left_of_ended_runs(site: Site) -> None:
    code = "subprocess.Popen('sleep 0.1 & exit', shell=True)"
    site.deploy(f"from orchestrator import flow\n@flow\ndef main():\n    {code}\n")
    keeper = site.agent()
    for run_id in site.submit(4):
        site.until(run_id, State.COMPLETED)
    supervisor = site.supervisor(keeper)
    wait_until(lambda: not children_of(supervisor))
    assert is_running(supervisor)


def test_rqs_own_commands_cancel_a_run_and_drain_an_agent(site: Site) -> None:
    site.deploy(WAITS)
    keeper = site.agent()
    (run_id,) = site.submit()
    site.until_noted("started")
    publish = site.store.scripts.redis.publish
    channel = site.store.keys.rq_commands("a1")
    stop = json.dumps({"command": "stop-job", "job_id": run_id})
    wait_until(lambda: publish(channel, stop) == 1)
    site.until(run_id, State.CANCELLED)
    publish(channel, json.dumps({"command": "shutdown"}))
    assert keeper.wait(5) == 0


def test_rqs_commands_may_be_switched_off(site: Site) -> None:
    site.agent(rq_commands=False)
    assert site.store.scripts.redis.pubsub_numsub(site.store.keys.rq_commands("a1"))[0][1] == 0
