"""Brands: they tell of which run a process is, although it left its parent, its session and its environment behind.

Every process has a limit of file locks, which the kernel has not enforced since Linux 2.4 and hands to every child and
program. A run's first process is given two numbers there, both far too high to be a limit of anything:

    hard = 2^61 + the supervisor's number << 38 + its start time
    soft = whose it is (36 bits) << 24 + the run's number (24 bits)

It costs one call and no privilege. Only who sets that very limit on purpose gets rid of it.
"""

import hashlib
import resource
from contextlib import suppress
from typing import NamedTuple

from agent.process_tree import Process

LIMIT_OF_LOCKS = 10
TOP = 1 << 61
STARTED_BITS, RUN_BITS, WHO_BITS = 38, 24, 36


class Brand(NamedTuple):
    """One run of one supervisor."""

    who: int
    """Installation, agent and numbering of processes, as `who_is` makes them one number."""
    supervisor: Process
    run: int
    """Counts the runs of the supervisor; after 16 million it begins anew."""

    def put(self, pid: int) -> None:
        """Brand a process, before it starts any other. One that is gone, or may not be branded, is left as it is."""
        hard = TOP + (self.supervisor.pid << STARTED_BITS) + self.supervisor.started
        soft = (self.who << RUN_BITS) + self.run % (1 << RUN_BITS)
        with suppress(OSError, ValueError):
            resource.prlimit(pid, LIMIT_OF_LOCKS, (soft, hard))


def who_is(installation: str, agent: str, numbering: str) -> int:
    """A number for all supervisors that may end what one of them left behind."""
    digest = hashlib.sha256(f"{installation}/{agent}/{numbering}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - WHO_BITS)


def brand_of(pid: int) -> Brand | None:
    """The brand of a process; None when it has none, may not be looked at, or is gone."""
    try:
        soft, hard = resource.prlimit(pid, LIMIT_OF_LOCKS)
    except (OSError, ValueError):
        return None
    if not TOP <= hard < 2 * TOP or not 0 <= soft < TOP:
        return None
    rest = hard - TOP
    supervisor = Process(rest >> STARTED_BITS, rest & ((1 << STARTED_BITS) - 1))
    return Brand(soft >> RUN_BITS, supervisor, soft & ((1 << RUN_BITS) - 1))
