"""Agents, supervisors and keepers frozen by SIGSTOP for shorter and longer than their lease, many side by side.

Each attempt of a run takes a lock of the run's own and notes its start and end; the end of a killed one is seen by a
handle on its process. Two attempts at one time are an overlap.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field

from agent.kernel import children_of
from agent.process_tree import descendants
from tests.chaos.gone import overlaps
from tests.chaos.history import Record
from tests.chaos.proof import Options, Proof
from tests.chaos.proving_ground import Ground, ground, mono, share
from tests.support.waiting import wait_until

TARGET = "physical overlap of one run: 0 in 500 freezes of agents, supervisors and keepers"
FREEZES = 500
LEASES = {"lease_seconds": 1.5, "renew_seconds": 0.3, "grace_seconds": 0.3}
FACTORS = (0.5, 1.0, 2.0, 5.0)
AGENTS, SLOTS, RUNS = 14, 2, 24
DEATHS = 2
"""A keeper waits longer after each death of its supervisor: so many, then a new agent takes the place."""


@dataclass
class Seat:
    """One agent, and what is being done to it."""

    name: str
    keeper: subprocess.Popen[bytes]
    deaths: int = 0
    frozen: list[int] = field(default_factory=list)
    supervisor: int = 0
    thaw_at: float = 0.0
    held: list[tuple[str, int]] = field(default_factory=list)
    since: float = 0.0


@dataclass
class Tally:
    """What happened so far."""

    freezes: Counter[str] = field(default_factory=Counter)
    supervisors_killed: int = 0
    frozen_owners: list[tuple[str, int, float, float]] = field(default_factory=list)
    """Run, process, frozen at, thawed at: where the freeze was longer than the lease."""


def prove(options: Options) -> Proof:
    """Freeze and thaw, several at a time, until the number is reached; then judge what the flows noted."""
    chance = random.Random(options.seed)
    freezes, seats = options.count(FREEZES, least=8), options.count(AGENTS, least=3)
    tally = Tally()
    with ground(LEASES) as place:
        place.deploy("nap", parameters={"seconds": 600})
        agents = [seat(place, f"a{number}") for number in range(max(3, seats))]
        runs = place.site.submit(min(RUNS, SLOTS * len(agents) - 2), name="nap")
        wait_until(lambda: {one["run"] for one in place.starts()} >= set(runs), 30, every=0.1)
        while sum(tally.freezes.values()) < freezes or any(one.frozen for one in agents):
            for number, one in enumerate(agents):
                if one.frozen and time.monotonic() >= one.thaw_at:
                    thaw(one, tally)
                elif not one.frozen and sum(tally.freezes.values()) < freezes:
                    agents[number] = look_after(place, one, tally, chance)
            time.sleep(0.02)
        wait_until(lambda: len(place.living.now()) >= len(runs), 20, every=0.1)
        return judge(place, tally)


def seat(place: Ground, name: str) -> Seat:
    """A new agent."""
    return Seat(name=name, keeper=place.site.start_agent(name=name, limit=SLOTS, kill_seconds=1.0, **place.leases))


def look_after(place: Ground, one: Seat, tally: Tally, chance: random.Random) -> Seat:
    """Freeze an agent that holds runs; replace one whose keeper has seen too many deaths."""
    if one.deaths >= DEATHS:
        for pid in (one.keeper.pid, *children_of(one.keeper.pid)):
            os.kill(pid, signal.SIGKILL)
        one.keeper.wait(10)
        return seat(place, f"{one.name.partition('-')[0]}-{sum(tally.freezes.values())}")
    supervisors = children_of(one.keeper.pid)
    flows = set(children_of(supervisors[0])) if supervisors else set()
    held = [(run, pid) for run, pid in place.living.now() if pid in flows]
    if held:
        freeze(one, supervisors[0], held, tally, chance)
    return one


def freeze(one: Seat, supervisor: int, held: list[tuple[str, int]], tally: Tally, chance: random.Random) -> None:
    """SIGSTOP to the agent (keeper and supervisor), one of the two, or everything with the flows."""
    keeper = one.keeper.pid
    whole = [process.pid for process in descendants(keeper)]
    targets = {
        "agent": [keeper, supervisor],
        "supervisor": [supervisor],
        "keeper": [keeper],
        "whole tree": [keeper, *whole],
    }
    what, factor = chance.choice(list(targets)), chance.choice(FACTORS)
    one.frozen, one.supervisor, one.held, one.since = targets[what], supervisor, held, time.monotonic()
    one.thaw_at = one.since + factor * LEASES["lease_seconds"]
    for pid in one.frozen:
        send(pid, signal.SIGSTOP)
    tally.freezes[f"{what} for {factor:g} leases"] += 1


def thaw(one: Seat, tally: Tally) -> None:
    """SIGCONT to what is still there, and note whose supervisor did not survive it."""
    now = time.monotonic()
    if one.supervisor in one.frozen:
        tally.frozen_owners += [(run, pid, one.since, now) for run, pid in one.held]
    for pid in one.frozen:
        send(pid, signal.SIGCONT)
    if one.supervisor in one.frozen and not os.path.exists(f"/proc/{one.supervisor}/exe"):
        one.deaths += 1
        tally.supervisors_killed += 1
    one.frozen = []


def send(pid: int, number: int) -> None:
    """A signal to one that may be gone; keepers are reaped by this process only, their numbers stay theirs."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def judge(place: Ground, tally: Tally) -> Proof:
    """How often two attempts were there at once, and how close the next one came to the one before."""
    starts = place.starts()
    ends = {(one["run"], one["pid"]): mono(one) for one in place.living.gone}
    by_run: dict[str, list[Record]] = {}
    for one in starts:
        by_run.setdefault(one["run"], []).append(one)
    gaps: dict[tuple[str, int], float] = {}
    """From the end of a process to the start of the next one of its run."""
    for attempts in by_run.values():
        for before, after in itertools.pairwise(attempts):
            key = (before["run"], before["pid"])
            gaps[key] = mono(after) - ends.get(key, float("inf"))
    elsewhere = [
        gaps.get((run, pid), 0.0)
        for run, pid, frozen, thawed in tally.frozen_owners
        if any(frozen < mono(one) < thawed and one["pid"] != pid for one in by_run.get(run, []))
    ]
    overlapping = len(overlaps(place.folder)) + sum(gap < -0.1 for gap in gaps.values())
    return Proof(
        met=overlapping == 0,
        measured=f"{overlapping} overlaps in {sum(tally.freezes.values())} freezes; of runs started elsewhere while"
        f" their owner was frozen, the new process came {min(elsewhere, default=0):.3f} s after the end of the old one"
        f" at the least, p50 {share(elsewhere or [0.0], 0.5):.3f} s",
        occurred={
            **dict(sorted(tally.freezes.items())),
            "frozen supervisors killed by the kernel": tally.supervisors_killed,
            "attempts that followed another": len(gaps),
            "runs of a still frozen owner started elsewhere": len(elsewhere),
        },
    )
