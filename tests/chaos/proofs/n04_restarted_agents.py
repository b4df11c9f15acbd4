"""Agents killed and started again on the same host: how soon their runs go on there, with the usual lease of 30 s."""

from __future__ import annotations

import os
import signal
import time

from tests.chaos.proof import Options, Proof
from tests.chaos.proving_ground import Ground, ground, kill_at_one_moment, share
from tests.support.waiting import wait_until

TARGET = "recovery when the agent restarts on the same host: <= 2 s, whatever the lease"
KILLS, RUNS = 20, 3
USUAL = {"lease_seconds": 30.0, "renew_seconds": 5.0, "grace_seconds": 2.0}
BOUND = 2.0


def prove(options: Options) -> Proof:
    """Kill the supervisor alone, then both with a start by hand; each on a fresh agent with runs."""
    kills = options.count(KILLS, least=2)
    took: dict[str, list[float]] = {"supervisor killed": [], "both killed, started again": []}
    with ground(USUAL) as place:
        place.deploy("nap", parameters={"seconds": 600})
        for number in range(kills):
            for what, seconds in took.items():
                seconds += one(place, f"a{number}-{len(what)}", by_keeper=what == "supervisor killed")
    worst = max(max(seconds) for seconds in took.values())
    figures = "; ".join(f"{what}: p50 {share(each, 0.5):.2f}, max {max(each):.2f} s" for what, each in took.items())
    return Proof(
        met=worst <= BOUND,
        measured=f"{figures} (counted from the kill, or from the start by hand, to the flow's first line)",
        occurred={f"runs recovered, {what}": len(each) for what, each in took.items()},
    )


def one(place: Ground, name: str, *, by_keeper: bool) -> list[float]:
    """One agent with runs is killed; the seconds until each of them was started again."""
    place.site.store.queues.create(name, actor="a_proof")
    place.deploy("nap", parameters={"seconds": 600}, queue=name)
    keeper = place.agent(name, queues=(name,), limit=RUNS)
    runs = place.site.submit(RUNS, name="nap")
    before = wait_until(lambda: len(at := [place.started(run, 0.0) for run in runs]) == RUNS and all(at) and at, 20)
    if by_keeper:
        os.kill(place.site.supervisor(keeper), signal.SIGKILL)
        began = time.monotonic()
    else:
        kill_at_one_moment(keeper)
        began = time.monotonic()
        keeper = place.site.start_agent(name=name, queues=(name,), limit=RUNS, **place.leases)
    assert all(at is not None and at < began for at in before)
    again = [wait_until(lambda run=run: place.started(run, began), 20, every=0.02) for run in runs]  # type: ignore[misc]
    kill_at_one_moment(keeper)
    return [at - began for at in again if at is not None]
