"""A scheduler's pass in a process of its own that kills itself at a named point. Arguments: address, clock, point."""

import os
import signal
import sys

from orchestrator.scheduler.tick import tick
from orchestrator.store import Store
from queues.connection import connect


def main(url: str, offset_us: int, point: str) -> None:
    """Tick once; at `point` die as a machine dies."""

    def reached(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    tick(Store(connect(url), offset_us=offset_us), reached=reached)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
