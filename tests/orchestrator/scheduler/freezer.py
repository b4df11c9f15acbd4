"""A scheduler's passes in a process that stops itself (SIGSTOP) before its first call of a named script, then goes on.

Arguments: address, microseconds that the clock is ahead, script.
"""

import os
import signal
import sys

from orchestrator.config import Settings
from orchestrator.scheduler.leadership import Leadership
from orchestrator.scheduler.process import passes_of
from orchestrator.store import Store
from queues.connection import connect
from queues.recovery import WindowLength
from queues.scripts import Scripts


def main(url: str, offset_us: int, verb: str) -> None:
    """Pass until the script was called once, frozen before it as a machine that is suspended."""
    store = Store(connect(url), offset_us=offset_us)
    passes = passes_of(Settings(), store, Leadership(store), WindowLength())
    call, called = Scripts.call, []

    def freezing(scripts: Scripts, name: str, **arguments: object) -> object:
        if name == verb and not called:
            called.append(name)
            os.kill(os.getpid(), signal.SIGSTOP)
        return call(scripts, name, **arguments)

    Scripts.call = freezing  # type: ignore[method-assign]
    for _ in range(3):
        passes.once()
        if called:
            sys.exit(0)
    sys.exit(f"{verb} was not called")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
