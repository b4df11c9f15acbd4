"""Simulate the decisions of agents and schedulers: `python -m tests.chaos.simulation [--seed N --trace] [--seconds S]`.

Real `agent.supervision` objects and real scheduler passes play in virtual time on a model of floor 0, under networks
that drop, delay and reorder, clocks that differ and jump, hosts that freeze and die, a Redis that restarts without the
end of its log. A seed says everything that happens; one that fails is repeated with --seed and told by --trace.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.simulation_play import Played, play


@dataclass
class Season:
    """Many plays: how many, how fast, what occurred, and those that broke a promise."""

    plays: int = 0
    events: int = 0
    seconds: float = 0.0
    occurred: Counter[str] = field(default_factory=Counter)
    broken: list[Played] = field(default_factory=list)

    def text(self) -> str:
        """The figures in one paragraph."""
        seconds = self.seconds or 1e-9
        speed = f"{self.plays / seconds:.0f} plays/s, {self.events / seconds:.0f} events/s"
        seen = ", ".join(f"{count} {what}" for what, count in sorted(self.occurred.items()))
        counted = f"{self.plays} plays, {self.events} events in {self.seconds:.1f} s"
        return f"{counted} ({speed}); {len(self.broken)} broken\n{seen}"


def season(first: int, *, seconds: float = 1e9, plays: int = 10**9, stop: bool = False) -> Season:
    """Play seeds from `first` on for so long or so many; `stop` at the first broken promise."""
    found, began = Season(), time.monotonic()
    while found.plays < plays and time.monotonic() - began < seconds:
        played = play(first + found.plays)
        found.plays += 1
        found.events += played.events
        found.occurred.update(played.occurred)
        if played.broken:
            found.broken.append(played)
            if stop:
                break
    found.seconds = time.monotonic() - began
    return found


def main() -> int:
    """Play one seed, or seeds for a while; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.simulation")
    parser.add_argument("--seed", type=int, help="play this one")
    parser.add_argument("--trace", action="store_true", help="tell all that happens in it")
    parser.add_argument("--first", type=int, default=0, help="the first of many seeds")
    parser.add_argument("--seconds", type=float, default=10.0, help="for how long to play")
    asked = parser.parse_args()
    if asked.seed is not None:
        played = play(asked.seed, tracing=asked.trace)
        print("\n".join(played.trace))
        print(f"seed {played.seed}: {played.broken or 'all promises held'}; {played.events} events, {played.occurred}")
        return 1 if played.broken else 0
    found = season(asked.first, seconds=asked.seconds)
    for broken in found.broken[:20]:
        print(f"seed {broken.seed}: {broken.broken}")
    print(found.text())
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
