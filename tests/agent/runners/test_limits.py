"""Limits of runs: what is over them, what an end means under them, and the sentence that says so; no process at all."""

from typing import Any

import pytest

from agent.runners.limits import LOOK_SECONDS, Limits, Use, limit_met, limits_of, over, pause, reason
from agent.runners.outcome import Exit, Result
from queues.states import State

MIB = 1 << 20
TIGHT = Limits(memory_bytes=512 * MIB, cpu_seconds=10, processes=4, open_files=64)


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (Use(memory_bytes=512 * MIB, cpu_seconds=10, processes=4), None),
        (Use(memory_bytes=512 * MIB + 1), "memory_bytes"),
        (Use(cpu_seconds=10.01), "cpu_seconds"),
        (Use(processes=5), "processes"),
        (Use(memory_bytes=1 << 40, cpu_seconds=99, processes=99), "memory_bytes"),
    ],
)
def test_a_run_is_over_the_first_limit_that_it_uses_more_of(use: Use, name: str | None) -> None:
    assert over(TIGHT, use) == name
    assert over(Limits(open_files=64, nice=3), use) is None


def failed(message: str) -> Result:
    return Result(state=State.FAILED, message=message)


@pytest.mark.parametrize(
    ("end", "result", "name"),
    [
        (Exit(code=0), failed("MemoryError"), "memory_bytes"),
        (Exit(code=0), failed("OSError: [Errno 12] Cannot allocate memory"), "memory_bytes"),
        (Exit(code=0), failed("OSError: [Errno 24] Too many open files: 'x'"), "open_files"),
        (Exit(code=0), failed("BlockingIOError: [Errno 11] Resource temporarily unavailable"), None),
        (Exit(signal=9, oom_kills=1), None, "memory_bytes"),
        (Exit(signal=24), None, "cpu_seconds"),
        (Exit(signal=9, cpu_seconds=16.0), None, "cpu_seconds"),
        (Exit(signal=9, cpu_seconds=1.0), None, None),
        (Exit(code=1), None, None),
        (Exit(code=0), failed("ValueError: no"), None),
        (Exit(code=0, oom_kills=1), Result(state=State.COMPLETED, message="MemoryError"), None),
    ],
)
def test_an_end_that_a_limit_of_the_kernel_brought_about_is_told_from_others(
    end: Exit, result: Result | None, name: str | None
) -> None:
    assert limit_met(TIGHT, end, result) == name
    assert limit_met(Limits(), end, result) is None


@pytest.mark.parametrize(
    ("name", "peak", "told"),
    [
        (
            "memory_bytes",
            Use(memory_bytes=530 * MIB + 5),
            "over its memory limit of 512 MiB (peak 530 MiB): raise limits.memory, or use less at once",
        ),
        (
            "memory_bytes",
            Use(memory_bytes=20 * MIB),
            "over its memory limit of 512 MiB (peak 20 MiB, and asked for more): "
            "raise limits.memory, or use less at once",
        ),
        ("cpu_seconds", Use(cpu_seconds=10.26), "over its CPU limit of 10 s (used 10.3 s): raise limits.cpu_seconds"),
        ("processes", Use(processes=9), "over its limit of 4 processes at once (peak 9): raise limits.processes"),
        (
            "open_files",
            Use(),
            "over its limit of 64 open files in one process: raise limits.open_files, or close files earlier",
        ),
    ],
)
def test_the_reason_names_limit_peak_and_remedy(name: str, peak: Use, told: str) -> None:
    assert reason(name, TIGHT, peak) == told


def test_looking_takes_a_twentieth_of_the_time_at_most() -> None:
    assert pause(0.0001) == LOOK_SECONDS and pause(0.1) == pytest.approx(2.0)


def test_limits_come_from_the_spec_and_only_as_they_may_be() -> None:
    assert limits_of({}) == Limits() and not Limits(nice=3, open_files=64).are_watched
    assert limits_of({"limits": {"processes": 4}}) == Limits(processes=4) and Limits(processes=4).are_watched
    wrong: list[Any] = [{"memory_bytes": "1"}, {"memory_bytes": -1}, {"nice": -5}, {"nice": True}, {"disk": 1}]
    for given in wrong:
        with pytest.raises(ValueError, match="expected"):
            limits_of({"limits": given})
