"""What schedules cost: deployments between their instants, and very many instants at one time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psutil

from orchestrator.client.deployments import placed
from orchestrator.schedules import IntervalSchedule
from orchestrator.store.installation import Store
from tests.benchmarks.figures import Figure, median
from tests.benchmarks.footprint import WINDOWS, busy_percent
from tests.benchmarks.many_deployments import store_deployments
from tests.support.deployments import spec
from tests.support.installation import Installation
from tests.support.waiting import wait_until

TURNS = 5
FIRST_TURN_SECONDS = 12.0
PATIENCE_SECONDS = 20.0
"""No further turn begins when those before took longer than that together: what is so slow needs no spread."""
SETTLED_PERCENT, SETTLED_SECONDS = 1.0, 20.0
"""A scheduler looks through everything when it starts: it gets so long for that before it is measured."""


def clock_figures(scale: float) -> list[Figure]:
    """A scheduler that has 10,000 runs to make at one instant, and one with 100,000 deployments between theirs."""
    idle, due = int(100_000 * scale), int(10_000 * scale)
    with Installation() as installation:
        clockwork = Clockwork(installation)
        seconds = clockwork.due_at_once(due, TURNS if scale == 1 else 2)
    with Installation() as installation:
        clockwork = Clockwork(installation)
        megabytes = clockwork.store_idle(idle)
        percents = clockwork.busy(max(1.0, 4 * scale))
    stored = f"{idle:,} deployments"
    return [
        median(
            f"{due:,} runs due at once, until all are queued", seconds, "s", at_most=2, note=f"{len(seconds)} turns"
        ),
        median("scheduler between instants, of one core", percents, "%", at_most=1, note=stored),
        Figure(name="Redis for idle deployments", value=megabytes, unit="MB", at_most=150 * scale, note=stored),
    ]


class Clockwork:
    """An installation with a scheduler and no agent."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._redis = installation.redis.client()
        self._store = Store(self._redis)

    def store_idle(self, count: int) -> float:
        """Store so many deployments that are due in a month; gives their MB of Redis."""
        before = self._memory()
        self._deploy(count, "idle", IntervalSchedule(timedelta(days=30), anchor_date=in_seconds(30 * 86400)))
        return (self._memory() - before) / 1_000_000

    def busy(self, seconds: float) -> list[float]:
        """What a scheduler uses of one core while nothing is due, in windows of so many seconds."""
        scheduler = psutil.Process(self._installation.start_scheduler().pid)
        wait_until(lambda: self._redis.exists(self._store.keys.leader), within=20)
        until = time.monotonic() + SETTLED_SECONDS
        while time.monotonic() < until and busy_percent([scheduler], 1.0) > SETTLED_PERCENT:
            pass
        return [busy_percent([scheduler], seconds) for _ in range(WINDOWS)]

    def due_at_once(self, count: int, turns: int) -> list[float]:
        """Seconds from an instant that so many deployments share until all their runs are queued; others each turn."""
        self._installation.start_scheduler()
        found, within = [], FIRST_TURN_SECONDS
        for turn in range(turns):
            instant, began = in_seconds(within), time.monotonic()
            self._deploy(count, f"due-{turn}", IntervalSchedule(timedelta(days=1), anchor_date=instant))
            assert datetime.now(UTC) < instant, f"{count} deployments were not stored within {within:.1f} s"
            within = 2 * (time.monotonic() - began) + 1
            wanted = count * (turn + 1)
            wait_until(lambda wanted=wanted: self._waiting() >= wanted, within=120, every=0.005)
            found.append(time.time() - instant.timestamp())
            if sum(found) > PATIENCE_SECONDS:
                break
        return found

    def _deploy(self, count: int, prefix: str, schedule: IntervalSchedule) -> None:
        first = placed(spec(schedule), self._store.scripts.now_us())
        made = (spec(schedule, name=f"{prefix}-{number}") for number in range(count))
        store_deployments(self._store, made, first)

    def _waiting(self) -> int:
        return int(self._redis.zcard(self._store.keys.waiting("default")))

    def _memory(self) -> int:
        return int(self._redis.info("memory")["used_memory"])


def in_seconds(seconds: float) -> datetime:
    """The time so many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)
