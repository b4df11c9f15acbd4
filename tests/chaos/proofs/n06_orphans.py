"""What hostile flows leave behind, when their run is cancelled, when the supervisor is killed, when both are."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

from queues.states import State
from tests.chaos.proof import Options, Proof
from tests.chaos.proving_ground import Ground, ground, kill_at_one_moment
from tests.lifecycle.hostile_flows import FLOWS, Hostile, text_of
from tests.lifecycle.worksite import groups_of, is_running, processes_of
from tests.support.waiting import wait_until

TARGET = (
    "processes left of hostile flows: 0 within 3 s while an agent lives, 0 before the first claim of a restarted one"
)
ROUNDS = 5
WITHIN = 3.0
USUAL = {"lease_seconds": 30.0, "renew_seconds": 5.0, "grace_seconds": 2.0}
GOES_ON = "\n    while True:\n        time.sleep(600)"


def prove(options: Options) -> Proof:
    """All hostile flows at once, in each of the situations."""
    # What ends its own first process leaves it to the agent to clear up before anything is killed.
    flows = {name: flow for name, flow in FLOWS.items() if flow.left and flow.state == State.COMPLETED}
    seconds: dict[str, list[float]] = {what: [] for what in SITUATIONS}
    survivors, seen = 0, 0
    for _ in range(options.count(ROUNDS)):
        for what, bring_about in SITUATIONS.items():
            with ground(USUAL) as place:
                took, left, there = one(place, flows, bring_about)
            seconds[what].append(took)
            survivors, seen = survivors + left, seen + there
    worst = {what: max(each) for what, each in seconds.items()}
    return Proof(
        met=survivors == 0,
        measured=f"{survivors} left; gone after at most "
        + ", ".join(f"{each:.2f} s ({what})" for what, each in worst.items()),
        occurred={"daemons that were there": seen, **{f"rounds, {what}": len(each) for what, each in seconds.items()}},
    )


def one(place: Ground, flows: dict[str, Hostile], bring_about: Situation) -> tuple[float, int, int]:
    """One agent with all flows; answers how long their processes stayed, how many for too long, and how many were."""
    site = place.site
    site.write(text_of(flows, then=GOES_ON))
    for name in flows:
        site.deploy(name=name)
    keeper = place.agent("a1", limit=len(flows), kill_seconds=1.0)
    runs = [site.submit(name=name)[0] for name in flows]
    least = sum(flow.left for flow in flows.values())
    wait_until(lambda: len(site.notes("ran")) == len(flows) and len(site.notes("daemons")) >= least, 30)
    supervisor = site.supervisor(keeper)
    groups = groups_of(supervisor)
    daemons = [int(pid) for pid in site.notes("daemons")]
    there = sum(map(is_running, daemons))

    def left() -> int:
        marked = {pid for run in runs for pid in processes_of(run)}
        grouped = {pid for group in groups for pid in group.members()} - {supervisor}
        return len(marked | grouped | {pid for pid in daemons if is_running(pid)})

    return (*bring_about(place, keeper, runs, left), there)


def cancelled(place: Ground, keeper: subprocess.Popen[bytes], runs: list[str], left: Left) -> tuple[float, int]:
    """All runs are cancelled under a living agent, which has 1 s for SIGTERM."""
    for run in runs:
        place.site.store.records.cancel(run, actor="a_proof")
    return watch(left)


def supervisor_killed(place: Ground, keeper: subprocess.Popen[bytes], runs: list[str], left: Left) -> tuple[float, int]:
    """The keeper lives on."""
    os.kill(place.site.supervisor(keeper), signal.SIGKILL)
    return watch(left)


def both_killed(place: Ground, keeper: subprocess.Popen[bytes], runs: list[str], left: Left) -> tuple[float, int]:
    """Nobody is left until the agent is started again; what counts is the moment before it takes its name."""
    kill_at_one_moment(keeper)
    place.site.store.queues.pause("default", actor="a_proof")
    keeper = place.site.start_agent(name="a1", limit=len(runs), **place.leases)
    began = time.monotonic()
    wait_until(lambda: place.site.holder("a1") == place.site.supervisor(keeper), 60)
    return time.monotonic() - began, left()


def watch(left: Left) -> tuple[float, int]:
    """How long until nothing was left, and how much still is after the time allowed."""
    began = time.monotonic()
    while (count := left()) and time.monotonic() - began < WITHIN:
        time.sleep(0.02)
    return time.monotonic() - began, count


Left = Callable[[], int]
Situation = Callable[[Ground, "subprocess.Popen[bytes]", list[str], Left], tuple[float, int]]
SITUATIONS: dict[str, Situation] = {
    "cancelled": cancelled,
    "supervisor killed": supervisor_killed,
    "both killed, started again": both_killed,
}
