"""The protocol alone under faults: agents with the flows inside, two schedulers, Redis with its append-only file."""

from __future__ import annotations

import time

from tests.chaos.checker import check
from tests.chaos.proof import Options, Proof
from tests.chaos.protocol_real import Real, Size

TARGET = "10,000 runs, 500 kills of agents, 50 freezes, 10 kills of Redis, 20 of schedulers, 90 s: 0 violations"
SECONDS, LONGEST = 58.0, 90.0


def prove(options: Options) -> Proof:
    """Measure; prints the checker's table."""
    began = time.monotonic()
    size = Size(
        seconds=max(6.0, SECONDS * options.scale),
        runs=options.count(10_000),
        kills=options.count(500),
        freezes=options.count(50),
        redis_kills=options.count(10),
        scheduler_kills=options.count(20),
        cancels=options.count(200),
    )
    report = check(Real(options.seed, size).run())
    took = time.monotonic() - began
    print(report.table(), flush=True)
    names = {"lost": "I1", "finished twice": "I7", "over a limit": "I2", "stuck": "I5", "owners and tokens": "I3"}
    found = [f"{what} {len(report.rows[name].violations)}" for what, name in names.items()]
    tail = len(report.rows["I1"].notes)
    measured = f"{', '.join(found)}, all {report.violations} in {took:.0f} s"
    if tail:
        measured += f"; and {tail} that Redis had acknowledged while its fsync ran, when it was killed"
    return Proof(met=not report.violations + tail and took <= LONGEST, measured=measured, occurred=report.occurred())
