"""What schedules cost: deployments between their instants, and very many instants at one time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

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

INSTANTS, APART = 5, 6
"""How often all of them are due, and seconds between."""


def clock_figures(scale: float) -> list[Figure]:
    """The scheduler with 100,000 deployments between their instants, then with 10,000 due at once, five times."""
    idle, due = int(100_000 * scale), int(10_000 * scale)
    with Installation() as installation:
        clockwork = Clockwork(installation)
        megabytes = clockwork.store_idle(idle)
        percents = clockwork.busy(max(1.0, 4 * scale))
        seconds = clockwork.due_at_once(due, INSTANTS if scale == 1 else 1)
    stored = f"{idle:,} deployments"
    return [
        median("scheduler between instants, of one core", percents, "%", at_most=1, note=stored),
        Figure(name="Redis for idle deployments", value=megabytes, unit="MB", at_most=150 * scale, note=stored),
        median(f"{due:,} runs due at once, until all are queued", seconds, "s", at_most=2, note=f"beside {stored}"),
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
        threading.Event().wait(3.0)  # what it does once, at its start
        return [busy_percent([scheduler], seconds) for _ in range(WINDOWS)]

    def due_at_once(self, count: int, instants: int) -> list[float]:
        """Seconds from an instant that so many deployments share until all their runs are queued, for each instant."""
        every, first = timedelta(seconds=APART), in_seconds(APART)
        self._deploy(count, "due", IntervalSchedule(every, anchor_date=first), max_waiting=2 * instants)
        assert datetime.now(UTC) < first, f"{count} deployments were not stored within {APART} s"
        found = []
        for number in range(instants):
            wait_until(lambda wanted=count * (number + 1): self._waiting() >= wanted, within=60, every=0.005)
            found.append(time.time() - (first + number * every).timestamp())
        return found

    def _deploy(self, count: int, prefix: str, schedule: IntervalSchedule, **more: Any) -> None:
        first = placed(spec(schedule), self._store.scripts.now_us())
        made = (spec(schedule, name=f"{prefix}-{number}", **more) for number in range(count))
        store_deployments(self._store, made, first)

    def _waiting(self) -> int:
        return int(self._redis.zcard(self._store.keys.waiting("default")))

    def _memory(self) -> int:
        return int(self._redis.info("memory")["used_memory"])


def in_seconds(seconds: float) -> datetime:
    """The time so many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)
