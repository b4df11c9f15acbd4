"""What both gears of the protocol chaos work on: queues, limits that change, runs of several kinds, schedules."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta

from orchestrator.client.deployments import placed
from orchestrator.deployments import deployment_id
from orchestrator.schedules import IntervalSchedule
from orchestrator.store import Store
from queues.runs import NewRun
from tests.support.deployments import spec

CHOICES: dict[str, tuple[int | None, ...]] = {
    "queue:bulk": (3, 5, 8),
    "queue:narrow": (1, 2),
    "tag:ml": (None, None, 1, 2),
}
"""Limits, and the numbers they take by turns."""
MAX_LOST = 6
BATCH = 4


def make_queues(store: Store, *, times: int = 1) -> None:
    """Make the queues and limits; `times` as wide for a larger world."""
    for name in ("bulk", "narrow", "tagged"):
        store.queues.create(name, actor="ann")
    store.limits.set("queue:bulk", 5 * times, "ann")
    store.limits.set("queue:narrow", 2 * times, "ann")
    store.limits.set("tag:ml", 2 * times, "ann")


def deploy(store: Store) -> dict[str, int]:
    """Three deployments with schedules of one to three seconds; gives since when each counts."""
    since = {}
    for seconds in (1, 2, 3):
        name = f"every-{seconds}"
        given = spec(
            IntervalSchedule(timedelta(seconds=seconds)), name=name, flow="tick", work_queue="bulk", max_lost=MAX_LOST
        )
        made = deployment_id("tick", name)
        store.deployments.put(made, given, placed(given, store.scripts.now_us()), "ann")
        record = store.deployments.get(made)
        assert record is not None
        since[made] = record.schedules[0].cursor_us
    return since


def new_runs(rng: random.Random, now_us: int, count: int = BATCH) -> list[NewRun]:
    """Runs for one create: most for `bulk`, some narrow, tagged, or due later."""
    return [_new_run(rng, now_us) for _ in range(count)]


def _new_run(rng: random.Random, now_us: int) -> NewRun:
    chance = rng.random()
    queue = "bulk" if chance < 0.5 else "narrow" if chance < 0.65 else "tagged"
    limits = ("tag:ml",) if queue == "tagged" else ()
    due = now_us + rng.randint(100_000, 2_000_000) if rng.random() < 0.05 else None
    run_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    return NewRun(id=run_id, queue=queue, actor="user:ann", due_us=due, limits=limits, max_lost=MAX_LOST)
