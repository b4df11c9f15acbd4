"""The checker sees twelve mistakes of the product, each by name, and raises no alarm in worlds without one."""

from __future__ import annotations

from collections import Counter

from tests.chaos.checker import check
from tests.chaos.mutants import MUTANTS, caught
from tests.chaos.proof import Options, Proof
from tests.chaos.protocol_stepped import Stepped
from tests.chaos.quiet import quietly
from tests.support.redis_server import RedisServer

TARGET = "12 of 12 named mistakes are seen by the promise they break; 0 false alarms in 100 seeded worlds"
TRIES = 8
"""Worlds in which a mistake may show itself."""


@quietly
def prove(options: Options) -> Proof:
    """Measure."""
    seen, missed, occurred = [], [], Counter[str]()
    alarms: list[str] = []
    worlds = options.count(100)
    with RedisServer() as server:
        for mutant in MUTANTS:
            _, report = caught(mutant, server.client(), range(options.seed, options.seed + TRIES))
            (seen if mutant.breaks in report.broken() else missed).append(mutant.name)
        for seed in range(options.seed, options.seed + worlds):
            report = check(Stepped(server.client(), seed).run())
            occurred.update(report.occurred())
            alarms += [f"seed {seed}: {row.violations[0]}" for row in report.rows.values() if row.violations]
    measured = f"{len(seen)} of {len(MUTANTS)} seen, {len(alarms)} false alarms in {worlds} worlds"
    details = [f"not seen: {name}" for name in missed] + alarms
    return Proof(met=not details, measured="; ".join([measured, *details[:5]]), occurred=occurred)
