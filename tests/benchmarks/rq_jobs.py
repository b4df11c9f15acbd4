"""What stock rq runs in the benchmark: a job that does nothing, and one that says when its first line ran."""

import time


def noop() -> None:
    """Do nothing."""


def stamp(pipe: str) -> None:
    """Write the time of the first line into a pipe."""
    now = time.monotonic_ns()
    with open(pipe, "w") as out:
        out.write(str(now))
