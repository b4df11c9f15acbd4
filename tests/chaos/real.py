"""Chaos of real processes: `python -m tests.chaos.real [--seed N] [--seconds S] [--runs N] [--faults N] [--long]`.

Real schedulers, agents and flows on a real Redis behind a proxy, while everything that can die dies. Prints its seed
first and a table at the end; ends with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import roles
from tests.chaos.checker import check
from tests.chaos.customer import Customer
from tests.chaos.gone import Living
from tests.chaos.nemesis import Nemesis
from tests.chaos.physical import peaks
from tests.chaos.process_faults import ProcessFaults
from tests.chaos.redis_faults import RedisFaults
from tests.chaos.settling import Quiet, settle
from tests.chaos.table import Result, recoveries
from tests.chaos.world import World

AROUND_SECONDS = 20.0
"""What starting, coming to rest and judging take beside the faults."""

WANTED = {"runs": 1_000, "kills": 100}
"""What two minutes have to come to; a machine that does less has shown less, and is told so."""

LONG = {"seconds": 3600.0, "runs": 50_000, "faults": 3_000}
LONG_PACE = 3.0
"""The long one has more work and fewer faults in a minute: what each fault does is seen to its end."""

PROGRESS_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long to do harm; with too few runs or faults by then it goes on, for twice as long at most."""

    seed: int
    seconds: float
    runs: int = 0
    faults: int = 0
    pace: float = 1.0
    keep: Path | None = None
    """Where the history and the logs are kept."""
    told: bool = False


def run(plan: Plan) -> Result:
    """Do harm, come to rest, judge, and look whether anything was left behind."""
    with World(seed=plan.seed) as world:
        result = _run(plan, world)
    result.problems += [f"process {pid} was left behind" for pid in roles.marked(world.folder)]
    result.problems += [f"{place} was left behind" for place in (world.folder, world.redis.folder) if place.exists()]
    return result


def _run(plan: Plan, world: World) -> Result:
    began = time.monotonic()
    nemesis = Nemesis(world, seed=plan.seed, pace=plan.pace)
    living = Living(world.folder)
    processes, redis = ProcessFaults(world, nemesis, living), RedisFaults(world, nemesis)
    nemesis.swift = [*processes.kinds(), *redis.swift_kinds()]
    nemesis.opening, nemesis.slow = processes.opening(), redis.kinds()
    customer = Customer(world, seed=plan.seed + 1)
    living.start()
    customer.start()
    try:
        _harm(plan, world, nemesis, customer)
        quiet = settle(world, nemesis, customer, living)
    finally:
        customer.end()
        if plan.keep is not None:
            _keep(plan.keep, world)
    return _result(plan, world, nemesis, customer, living, quiet, time.monotonic() - began)


def _harm(plan: Plan, world: World, nemesis: Nemesis, customer: Customer) -> None:
    began = tell_at = time.monotonic()
    while True:
        world.keep_up()
        nemesis.step()
        time.sleep(0.01)
        lasted = time.monotonic() - began
        enough = world.scene.ended >= plan.runs and nemesis.count >= plan.faults
        if lasted >= plan.seconds and (enough or lasted >= 2 * plan.seconds):
            return
        if not customer.is_alive():
            customer.finish(1.0)
        if plan.told and time.monotonic() >= tell_at + PROGRESS_SECONDS:
            tell_at = time.monotonic()
            print(f"  {lasted:.0f} s: {world.scene.ended} runs, {nemesis.count} faults", flush=True)


def _result(
    plan: Plan,
    world: World,
    nemesis: Nemesis,
    customer: Customer,
    living: Living,
    quiet: Quiet,
    seconds: float,
) -> Result:
    assert world.proxy is not None
    offset = time.time() - time.monotonic()
    most = peaks(world.history, offset)
    return Result(
        seed=plan.seed,
        seconds=seconds,
        runs=world.scene.ended,
        attempts=living.attempts,
        created=len(customer.created),
        sent_again=customer.sent_again,
        cells=nemesis.cells,
        kills=nemesis.kills,
        struck=world.proxy.struck,
        starts={role.name: role.starts for role in world.roles.values()},
        recoveries=recoveries(world.history, offset),
        quiet_seconds=quiet.seconds,
        report=check(world.history),
        peaks=most,
        problems=[*quiet.problems, *most.violations],
        skipped=world.skipped(),
    )


def _keep(place: Path, world: World) -> None:
    place.mkdir(parents=True, exist_ok=True)
    world.history.save(place / "history.jsonl")
    for log in world.folder.glob("*.log"):
        (place / log.name).write_bytes(log.read_bytes())


def main() -> int:
    """Run what was asked for; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.real")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="repeats a run; printed")
    parser.add_argument("--seconds", type=float, default=110.0, help="how long it may take, judging included")
    parser.add_argument("--runs", type=int, default=0, help="go on until so many runs have ended")
    parser.add_argument("--faults", type=int, default=0, help="go on until there were so many faults")
    parser.add_argument("--long", action="store_true", help="an hour, 50,000 runs, 3,000 faults")
    parser.add_argument("--keep", type=Path, help="a folder for the history and the logs")
    asked = parser.parse_args()
    wanted = {"seconds": asked.seconds, "runs": asked.runs, "faults": asked.faults} | (LONG if asked.long else {})
    print(f"seed {asked.seed}", flush=True)
    harm = max(wanted["seconds"] - AROUND_SECONDS, 5.0)
    # Ended by a signal it clears up as after Ctrl-C; the second Ctrl-C is not heard.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    plan = Plan(
        seed=asked.seed,
        seconds=harm,
        runs=int(wanted["runs"]),
        faults=int(wanted["faults"]),
        pace=LONG_PACE if asked.long else 1.0,
        keep=asked.keep,
        told=True,
    )
    try:
        result = run(plan)
    except KeyboardInterrupt:
        print("interrupted; everything was ended")
        return 130
    for line in result.lines():
        print(line)
    reached = {"runs": result.runs, "kills": sum(result.kills.values())}
    for what in WANTED:
        if reached[what] < WANTED[what]:
            print(f"NOT REACHED: {WANTED[what]} {what} were wanted, there were {reached[what]}")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
