"""What schedules cost: deployments between their instants, and very many instants at one time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import psutil

from orchestrator.client.deployments import placed
from orchestrator.deployments import deployment_id
from orchestrator.schedules import IntervalSchedule
from orchestrator.store.installation import Store
from tests.support.deployments import spec
from tests.support.installation import Installation
from tests.support.waiting import wait_until


class Clockwork:
    """An installation with a scheduler and no agent."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._redis = installation.redis.client()
        self._store = Store(self._redis)

    def idle(self, count: int, seconds: float) -> tuple[float, float]:
        """Store so many deployments that are due in a month; gives their MB of Redis, and the scheduler's % of a core."""
        before = self._memory()
        self._deploy(count, "idle", datetime.now(UTC) + timedelta(days=30))
        megabytes = (self._memory() - before) / 1_000_000
        scheduler = psutil.Process(self._installation.start_scheduler().pid)
        wait_until(lambda: self._store.scripts.redis.exists(self._store.keys.leader), within=20)
        threading.Event().wait(3.0)  # what it does once, at its start
        spent = sum(scheduler.cpu_times()[:2])
        threading.Event().wait(seconds)  # what is measured is what happens while nothing is due
        return megabytes, 100 * (sum(scheduler.cpu_times()[:2]) - spent) / seconds

    def due_at_once(self, count: int, within: float) -> float:
        """Seconds from an instant that so many deployments share until all their runs stand on their queue."""
        instant = datetime.now(UTC) + timedelta(seconds=within)
        self._deploy(count, f"due-{instant:%H%M%S}", instant)
        before = self._waiting()
        assert datetime.now(UTC) < instant, f"{count} deployments were not stored within {within:g} s"
        wait_until(lambda: self._waiting() - before >= count, within=within + 60, every=0.005)
        return time.time() - instant.timestamp()

    def _deploy(self, count: int, prefix: str, instant: datetime) -> None:
        schedule = IntervalSchedule(timedelta(days=1), anchor_date=instant)
        first = placed(spec(schedule), self._store.scripts.now_us())
        for number in range(count):
            made = spec(schedule, name=f"{prefix}-{number}")
            self._store.deployments.put(deployment_id("score", made["name"]), made, first, "bench")

    def _waiting(self) -> int:
        return int(self._redis.zcard(self._store.keys.waiting("default")))

    def _memory(self) -> int:
        return int(self._redis.info("memory")["used_memory"])
