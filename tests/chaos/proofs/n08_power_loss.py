"""Redis loses its power: what is gone was acknowledged in the last moments; with strict durability nothing is."""

from __future__ import annotations

import logging
import random
from collections import Counter

import structlog

from queues.redis_binary import find_binaries
from tests.chaos.power import PowerSite
from tests.chaos.proof import Options, Proof

TARGET = (
    "power loss emulated (the last 0.5 to 2 s of the append-only file gone): only runs acknowledged in them are lost, "
    "none with strict durability; 0 instants missing or doubled, 0 runs stuck"
)
LOSSES = 5
"""Losses that one installation goes through."""


def prove(options: Options) -> Proof:
    """Lose power 30 times at normal durability and 15 times at strict, on every server program of this machine."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rng = random.Random(options.seed)
    programs = list(dict.fromkeys(binary.path for binary in find_binaries()))
    counted: Counter[str] = Counter()
    faults: list[str] = []
    for strict, total in ((False, options.count(30)), (True, options.count(15))):
        while total > 0:
            program = programs[counted["installations"] % len(programs)]
            faults += endure(rng, program, strict, min(total, LOSSES), counted)
            total -= LOSSES
    met = not faults and counted["acknowledged runs lost, strict"] == 0
    measured = (
        f"{counted['acknowledged runs lost, normal']} runs lost, all of them acknowledged within the cut; "
        f"{counted['acknowledged runs lost, strict']} with strict durability; "
        f"{counted['instants']} instants, none missing or doubled; none stuck"
    )
    return Proof(met=met, measured="; ".join(faults) or measured, occurred=dict(counted))


def endure(rng: random.Random, program: str, strict: bool, losses: int, counted: Counter[str]) -> list[str]:
    """One installation and its losses of power; gives what was wrong."""
    counted["installations"] += 1
    kind = "strict" if strict else "normal"
    site = PowerSite(rng, program=program, strict=strict)
    faults: list[str] = []
    try:
        for _ in range(losses):
            site.work(2.2)
            loss = site.lose_power()
            counted[f"power losses, {kind}"] += 1
            counted[f"acknowledged runs lost, {kind}"] += loss.gone
            counted["executing runs taken back after their claim was lost"] += loss.adopted
            counted["executing runs whose record was lost"] += loss.executing_gone
            counted["runs of instants that were gone and are made again"] += loss.instants_gone
            faults += [f"{run_id} was acknowledged before the cut" for run_id in loss.too_early]
        site.work(1.0)  # what was due and is gone is made again
        faults += [f"{len(stuck)} runs are stuck" for stuck in [site.settle()] if stuck]
        instants, wrong = site.wrong_instants()
        counted["instants"] += instants
        return faults + wrong + site.broken()
    finally:
        site.close()
