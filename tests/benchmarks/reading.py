"""What reading and forgetting cost at a million stored runs: pages of lists, and how long they hold Redis up."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from structlog.testing import capture_logs

from orchestrator.scheduler.retention import Retention
from tests.benchmarks.figures import Figure
from tests.benchmarks.stored_runs import BUSY, StoredRuns
from tests.support.redis_server import RedisServer

PAGE_MS, BLOCK_MS = 50.0, 5.0
TIMES = 5
SMALL, BARE = "flow-10/bench-150", "flow-9/bench-189"
FAILED, ENDED, WAITING = ["FAILED"], ["FAILED", "CRASHED"], ["QUEUED"]


def ago(**units: float) -> datetime:
    """The time so long ago."""
    return datetime.now(UTC) - timedelta(**units)


def lists() -> dict[str, dict[str, Mapping[str, Any]]]:
    """What the lists are asked for, as `list_flow_runs` takes it, by kind."""
    day = {"since": ago(days=9), "until": ago(days=8)}
    return {
        "state": {f"state {state}": {"states": [state]} for state in ("COMPLETED", "CRASHED", "RUNNING", "QUEUED")},
        "deployment": {"the busiest": {"deployment": BUSY}, "a small one": {"deployment": SMALL}},
        "queue": {name: {"work_queue": name} for name in ("etl", "rare", "default")},
        "flow or tag": {
            "flow": {"flow": "flow-0"},
            "tag": {"tag": "t7"},
            "a tag of before": {"tag": "old"},
            "a tag of none": {"tag": "nobody"},
        },
        "time": {
            "all": {},
            "a day": day,
            "until": {"until": ago(days=20)},
            "failed within the hour": {"states": FAILED, "since": ago(hours=1)},
            "completed within the hour": {"states": ["COMPLETED"], "since": ago(hours=1)},
            "ended in a day": {"states": ["COMPLETED", *ENDED], **day},
        },
        "two or three of them": {
            "deployment, state": {"deployment": BUSY, "states": ["CRASHED"]},
            "deployment, waiting": {"deployment": BUSY, "states": WAITING},
            "deployment, queue it left": {"deployment": BUSY, "work_queue": "rare"},
            "deployment, queue it never had": {"deployment": BUSY, "work_queue": "gpu"},
            "queue, state": {"work_queue": "gpu", "states": ["CRASHED"]},
            "queue, states, time": {"work_queue": "etl", "states": ENDED, "since": ago(hours=1)},
            "deployment, state, time": {"deployment": BUSY, "states": FAILED, **day},
            "deployment, time": {"deployment": BUSY, **day},
            "queue it left, time": {"work_queue": "rare", **day},
            "tag, state, time": {"tag": "t7", "states": ["CRASHED"], "since": ago(days=2)},
            "flow, queue, state": {"flow": "flow-0", "work_queue": "rare", "states": FAILED},
        },
    }


class Reading:
    """Measures calls on stored runs: milliseconds of a caller, and of the longest thing that Redis did for it."""

    def __init__(self, stored: StoredRuns) -> None:
        self.stored = stored
        self.redis = stored.redis
        # Commands of 0.1 ms and more: noting each command inside of a script would cost it most of its time.
        self.redis.config_set("slowlog-log-slower-than", 100)
        self.redis.config_set("slowlog-max-len", 1_000)

    def page(self, which: Mapping[str, Any]) -> tuple[float, float]:
        """The medians for a page of the newest that fit."""
        return self.medians(lambda: self.stored.client.list_flow_runs(limit=50, **which))

    def medians(self, call: Callable[[], object]) -> tuple[float, float]:
        """(milliseconds of the caller, of the longest command of Redis), medians of some calls."""
        both = [self.once(call) for _ in range(TIMES)]
        return statistics.median(took for took, _ in both), statistics.median(block for _, block in both)

    def once(self, call: Callable[[], object]) -> tuple[float, float]:
        """The same of one call."""
        self.redis.slowlog_reset()
        began = time.perf_counter()
        call()
        took = 1000 * (time.perf_counter() - began)
        longest = max((entry["duration"] for entry in self.redis.slowlog_get(1_000)), default=0)
        return took, longest / 1000


def reading_figures(scale: float) -> list[Figure]:
    """A page of each kind of list, deep pages, a glance, and retention, at a million runs times `scale`."""
    count = int(1_000_000 * scale)
    with RedisServer() as server:
        stored = StoredRuns(server.client(socket_timeout=60.0))
        stored.fill(count)
        reading = Reading(stored)
        figures = []
        kinds = {f"a page by {kind}": some for kind, some in lists().items()}
        deep = {f"after {name}": after_many(stored, which) for name, which in deep_lists().items()}
        for kind, some in (kinds | {"a page in the middle": deep}).items():
            figures += slowest(kind, {name: reading.page(which) for name, which in some.items()}, count)
        figures += slowest("counts: status", {"status": reading.medians(stored.client.status)}, count)
        return [*figures, *retention_figures(reading, count)]


def deep_lists() -> dict[str, Mapping[str, Any]]:
    """Lists of which a page in the middle is asked for."""
    return {"all": {}, "deployment": {"deployment": BUSY}, "queue, states": {"work_queue": "etl", "states": FAILED}}


def after_many(stored: StoredRuns, which: Mapping[str, Any]) -> dict[str, Any]:
    """The same list behind a run that was made two weeks ago."""
    (run,) = stored.client.list_flow_runs(limit=1, **{"until": ago(days=14), **which})
    return {**which, "after": run.id}


def slowest(kind: str, took: Mapping[str, tuple[float, float]], count: int) -> Iterable[Figure]:
    """The slowest of some lists, and the longest that one script of any of them takes."""
    for name, (page, block) in took.items():
        print(f"  {kind}: {name}: {page:.1f} ms, Redis {block:.2f} ms", file=sys.stderr)
    page = max(took, key=lambda name: took[name][0])
    block = max(took, key=lambda name: took[name][1])
    stored = f"{count:,} runs stored"
    yield Figure(name=kind, value=took[page][0], unit="ms", at_most=PAGE_MS, note=f"slowest: {page}; {stored}")
    yield Figure(
        name=f"{kind}: longest command of Redis", value=took[block][1], unit="ms", at_most=BLOCK_MS, note=block
    )


def retention_figures(reading: Reading, count: int) -> list[Figure]:
    """Steps of forgetting, where a tenth of the runs is due."""
    retention = Retention(reading.stored.store, run_days=25.0)
    removed, blocks, took = 0, [], []
    for _ in range(20):
        step: list[Any] = []
        with capture_logs():
            both = reading.once(lambda step=step: step.append(retention.step()))
        removed += step[0].runs
        took.append(both[0])
        blocks.append(both[1])
    each = statistics.median(took)
    note = f"{removed:,} of {count:,} runs removed in {len(took)} steps of {each:.0f} ms"
    return [
        Figure(
            name="retention: longest script of a step",
            value=statistics.median(blocks),
            unit="ms",
            at_most=BLOCK_MS,
            note=note,
        )
    ]
