"""Agents killed with -9, keeper and all, as when their machine dies: how soon their runs are started elsewhere."""

from __future__ import annotations

import random

from queues.states import State
from tests.chaos.proof import Options, Proof
from tests.chaos.proving_ground import SHORT, Ground, ground, kill_at_one_moment, share
from tests.support.waiting import wait_until

TARGET = "recovery elsewhere after kill -9 of an agent: p50 <= 1.1 lease, max <= lease + grace + 1 s"
KILLS, AGENTS, SLOTS, RUNS = 30, 6, 5, 16
LEASE, GRACE = SHORT["lease_seconds"], SHORT["grace_seconds"]


def prove(options: Options) -> Proof:
    """Kill one agent after the other; each is replaced by a new one under another name."""
    chance = random.Random(options.seed)
    took: list[float] = []
    kills = options.count(KILLS, least=2)
    with ground() as place:
        place.deploy("nap", parameters={"seconds": 600})
        keepers = {f"a{number}": place.agent(f"a{number}", limit=SLOTS) for number in range(AGENTS)}
        runs = place.site.submit(RUNS, name="nap")
        wait_until(lambda: {run["run"] for run in place.starts()} >= set(runs), 30, every=0.1)
        for number in range(kills):
            name = chance.choice([each for each in keepers if held_by(place, each, runs)])
            took += recover(place, keepers.pop(name), held_by(place, name, runs))
            fresh = f"b{number}"
            keepers[fresh] = place.agent(fresh, limit=SLOTS)
    p50, worst = share(took, 0.5), max(took)
    figures = ", ".join(f"p{round(100 * part)} {share(took, part):.2f}" for part in (0.1, 0.5, 0.9, 0.99))
    return Proof(
        met=p50 <= 1.1 * LEASE and worst <= LEASE + GRACE + 1,
        measured=f"{figures}, max {worst:.2f} s (lease {LEASE} s, grace {GRACE} s: bounds {1.1 * LEASE:.2f} and"
        f" {LEASE + GRACE + 1:.1f} s)",
        occurred={"agents killed": kills, "runs started elsewhere": len(took)},
    )


def held_by(place: Ground, agent: str, runs: list[str]) -> list[str]:
    """The runs that an agent executes."""
    found = place.site.store.records.get_many(runs)
    return [run.id for run in found if run is not None and run.agent == agent and run.state == State.RUNNING]


def recover(place: Ground, keeper: object, held: list[str]) -> list[float]:
    """Kill an agent; the seconds until each of its runs was started by another one."""
    killed = kill_at_one_moment(keeper)  # type: ignore[arg-type]
    started = {}
    for run_id in held:
        started[run_id] = wait_until(lambda run_id=run_id: place.started(run_id, killed), 20, every=0.05)  # type: ignore[misc]
    return [at - killed for at in started.values()]
