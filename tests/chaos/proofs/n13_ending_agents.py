"""SIGTERM to agents that are busy claiming, and to agents whose flows do not end."""

from __future__ import annotations

import signal
import subprocess
import time

from queues.records import Run
from queues.states import State
from tests.chaos.proof import Options, Proof
from tests.chaos.proving_ground import Ground, ground
from tests.lifecycle.worksite import is_running
from tests.support.waiting import wait_until

TARGET = (
    "SIGTERM: no claim later than 100 ms; runs go on up to the drain time; its end or a second SIGTERM: TERM, KILL,"
    " given back at once, not counted as lost"
)
TIMES = 15
USUAL = {"lease_seconds": 30.0, "renew_seconds": 5.0, "grace_seconds": 2.0}
DRAIN, KILL, SLACK = 1.5, 1.0, 1.5
LAST_CLAIM = 0.1


def prove(options: Options) -> Proof:
    """Each case on a fresh agent with a queue of its own."""
    times = options.count(TIMES, least=2)
    claims, waits, problems = [], [], []
    with ground(USUAL) as place:
        for number in range(times):
            claims.append(busy(place, f"busy{number}"))
            for how in ("drain time over", "second SIGTERM"):
                waited, wrong = stubborn(place, f"{how[0]}{number}", twice=how == "second SIGTERM")
                waits.append(waited)
                problems += [f"{how}: {each}" for each in wrong]
    late = sum(claim > LAST_CLAIM for claim in claims)
    problems += [f"{late} claims later than {LAST_CLAIM} s"] if late else []
    return Proof(
        met=not problems,
        measured=f"last claim {1000 * max(claims):.0f} ms after SIGTERM at the latest; given back {max(waits):.2f} s"
        f" after the drain time or the second SIGTERM at the latest (KILL after {KILL:g} s)"
        + "".join(f"; {one}" for one in problems),
        occurred={"agents busy claiming": len(claims), "agents with flows that ignore SIGTERM": len(waits)},
    )


def busy(place: Ground, name: str) -> float:
    """SIGTERM among many short runs; the seconds until the last of its claims, negative when it was before."""
    site = place.site
    site.store.queues.create(name, actor="a_proof")
    place.deploy("quick", queue=name)
    keeper = place.agent(name, queues=(name,), limit=4)
    runs = site.submit(300, name="quick")
    wait_until(lambda: sum(run.state == State.COMPLETED for run in records(place, runs)) >= 10, 30, every=0.05)
    told = time.time()
    keeper.send_signal(signal.SIGTERM)
    keeper.wait(30)
    found = records(place, runs)
    moves = [move.at_us / 1e6 for run in found for move in run.history if move.state == State.PENDING]
    assert any(run.state == State.QUEUED for run in found), "there was nothing left to claim"
    return max(moves) - told


def stubborn(place: Ground, name: str, *, twice: bool) -> tuple[float, list[str]]:
    """SIGTERM to an agent whose flows ignore it; how long after the drain they were given back, and what was wrong."""
    site = place.site
    site.store.queues.create(name, actor="a_proof")
    place.deploy("hostile", queue=name, parameters={"seconds": 600})
    keeper = place.agent(name, queues=(name,), limit=2, drain_seconds=600 if twice else DRAIN, kill_seconds=KILL)
    runs = site.submit(2, name="hostile")
    wait_until(lambda: all(place.started(run, 0.0) for run in runs), 30, every=0.05)
    pids = [int(one["pid"]) for one in place.starts() if one["run"] in runs]
    keeper.send_signal(signal.SIGTERM)
    began, wrong = time.monotonic(), []
    wait_until(lambda: time.monotonic() - began > DRAIN - 0.5, DRAIN)
    if not all(map(is_running, pids)):
        wrong.append("a run was ended before the drain time was over")
    if twice:
        keeper.send_signal(signal.SIGTERM)
    due = time.monotonic() if twice else began + DRAIN
    waited = given_back(place, keeper, runs, due)
    for run in records(place, runs):
        if (run.state, run.lost) != (State.QUEUED, 0):
            wrong.append(f"{run.state}, {run.lost} losses")
        site.store.records.cancel(run.id, actor="a_proof")
    wrong += ["given back too late"] if waited > KILL + SLACK else []
    wrong += ["killed without time for SIGTERM"] if waited < KILL - 0.1 else []
    wrong += ["a process is left"] if any(map(is_running, pids)) else []
    return waited, wrong


def given_back(place: Ground, keeper: subprocess.Popen[bytes], runs: list[str], due: float) -> float:
    """How long after `due` the last run stood in line again."""
    wait_until(lambda: all(run.state == State.QUEUED for run in records(place, runs)), 20, every=0.02)
    waited = time.monotonic() - due
    keeper.wait(10)
    return waited


def records(place: Ground, runs: list[str]) -> list[Run]:
    """The records of these runs."""
    return [run for run in place.site.store.records.get_many(runs) if run is not None]
