"""`python -m tests.chaos NAME… [--seed N] [--scale X]`: run proofs by name, or `all` of them, and print the table."""

from __future__ import annotations

import argparse
import secrets
import sys

from tests.chaos.proof import Options, names, run


def main() -> int:
    """Run what was asked for; 1 when a target was not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("names", nargs="+", help=f"all, or some of: {' '.join(names())}")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="repeats a run; printed")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full numbers, e.g. 0.1")
    asked = parser.parse_args()
    wanted = names() if asked.names == ["all"] else asked.names
    if unknown := [name for name in wanted if name not in names()]:
        parser.error(f"no proof is called {unknown[0]!r}; there are: {' '.join(names())}")
    options = Options(seed=asked.seed, scale=asked.scale)
    failed = []
    for name in wanted:
        row, proof = run(name, options)
        print(row, flush=True)
        if not (proof.met or proof.skipped):
            failed.append(name)
    print(
        f"{len(wanted) - len(failed)} of {len(wanted)} met or skipped"
        + (f"; not met: {' '.join(failed)}" if failed else "")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
