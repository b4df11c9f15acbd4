"""Real processes under faults for as long as it takes: many runs, many faults of many kinds, nothing broken."""

from __future__ import annotations

from tests.chaos.proof import Options, Proof
from tests.chaos.real import LONG, LONG_PACE, Plan, run
from tests.chaos.table import ENOUGH_OF_A_CELL

TARGET = "real processes under 3,000 faults of at least 15 kinds, 50,000 runs: 0 violations"
KINDS = 15


def prove(options: Options) -> Proof:
    """Chaos for an hour at full scale; prints the whole table, names what a cell of kind and state lacks."""
    runs, faults = options.count(int(LONG["runs"])), options.count(int(LONG["faults"]))
    plan = Plan(
        seed=options.seed,
        seconds=max(20.0, LONG["seconds"] * options.scale),
        runs=runs,
        faults=faults,
        pace=LONG_PACE,
        told=True,
    )
    result = run(plan)
    for line in result.lines():
        print(line)
    thin = sum(count < ENOUGH_OF_A_CELL for count in result.cells.values())
    kinds = len(result.by_kind())
    return Proof(
        met=not result.violations and result.runs >= runs and result.faults >= faults and kinds >= KINDS,
        measured=f"{result.violations} violations in {result.runs} runs under {result.faults} faults of {kinds} kinds",
        occurred={
            "kill -9": sum(result.kills.values()),
            "cells of kind and state": len(result.cells),
            f"cells with fewer than {ENOUGH_OF_A_CELL}": thin,
            **dict(sorted(result.by_kind().items())),
        },
    )
