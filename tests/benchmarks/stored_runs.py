"""Very many finished runs in a Redis, as the product would have stored them: a few are made by it, the others copied.

Half of the runs are those of one deployment, which was on another queue, under another tag, in its first hours; the
others share a long tail. Of the states some are rare. Runs were made over four weeks, and some waited or ran for days.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis as redis_py

from orchestrator.client import Client
from orchestrator.deployments import deployment_id
from orchestrator.keys import deployment_limit
from orchestrator.runs import run_name
from orchestrator.store import Store
from orchestrator.store.runs import Wishes, new_run
from tests.support.deployments import HOURLY, Worker, spec

COPY = (Path(__file__).parent / "lua" / "copy_runs.lua").read_text("utf-8")
QUEUES = ("etl", "gpu", "ml", "rare")
DEPLOYMENTS = 200
BUSY = "flow-0/bench-0"
WEEKS_US = 28 * 86_400_000_000
SHARES = {"COMPLETED": 0.95, "FAILED": 0.04, "CANCELLED": 0.009, "CRASHED": 0.001}
BATCH = 500
WAITING = 3_000


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A run to copy, and what share of all is like it, made between which shares of the four weeks."""

    run_id: str
    group: str
    share: float
    since: float = 0.0
    until: float = 1.0


class StoredRuns:
    """An installation with deployments and finished runs; `client` reads it as the command line does."""

    def __init__(self, redis: redis_py.Redis) -> None:
        self.redis = redis
        self.store = Store(redis)
        self.client = Client(self.store, actor="bench")
        self._chance = random.Random(1)
        for queue in QUEUES:
            self.client.create_work_queue(queue)
        self._worker = Worker(self.store, queues=("default", *QUEUES))

    def fill(self, count: int) -> None:
        """Store so many finished runs, and some thousands that wait."""
        kinds = [*self._busy_kinds(), *(kind for number in range(1, DEPLOYMENTS) for kind in self._kinds(number))]
        now_us, copy = self.store.scripts.now_us(), self.redis.register_script(COPY)
        for kind in kinds:
            for piece in pieces(int(kind.share * count), BATCH):
                copies = (self._copy(kind, now_us) for _ in piece)
                copy(
                    keys=[self.store.keys.prefix],
                    args=[kind.run_id, kind.group, *(one for each in copies for one in each)],
                )
        deployments = self.store.deployments.all()
        for piece in pieces(WAITING, 100):
            runs = (deployments[number % len(deployments)] for number in piece)
            self.store.records.create([new_run(one, str(uuid.uuid4()), actor="bench") for one in runs])

    def _copy(self, kind: _Kind, now_us: int) -> tuple[str, str, int, int]:
        run_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        part = self._chance.uniform(kind.since, kind.until)
        made_us = now_us - WEEKS_US + int(part * WEEKS_US)
        took = (
            10 ** self._chance.uniform(5, 9) if self._chance.random() < 0.999 else 10 ** self._chance.uniform(9, 11.5)
        )
        return run_id, run_name(run_id), made_us, min(made_us + int(took), now_us)

    # ------------------------------------------------------------------ the runs that are copied
    def _busy_kinds(self) -> list[_Kind]:
        old = self._made(0, 0.0001, queue="rare", tags=["t0", "old"], until=0.001)
        return old + self._made(0, 0.5, queue="etl", tags=["t0"], since=0.001)

    def _kinds(self, number: int) -> list[_Kind]:
        share = 0.5 / number / sum(1 / other for other in range(1, DEPLOYMENTS))
        return self._made(number, share, queue=QUEUES[number % 3], tags=[f"t{number % 50}"])

    def _made(
        self, number: int, share: float, *, since: float = 0.0, until: float = 1.0, **changes: Any
    ) -> list[_Kind]:
        """One run of a deployment in each state, made and ended by the product."""
        queue, flow, name = changes["queue"], f"flow-{number % 20}", f"bench-{number}"
        self.client.create_from_spec(spec(HOURLY, flow=flow, name=name, work_queue=queue, tags=changes["tags"]))
        own = deployment_id(flow, name)
        deployment = self.store.deployments.find(f"{flow}/{name}")
        kinds = []
        for state, part in SHARES.items():
            run_id = str(uuid.uuid4())
            wishes = Wishes(parameters={"day": 7}) if state == "FAILED" else None
            self.store.records.create([new_run(deployment, run_id, actor="scheduler", own=wishes)])
            self._end(run_id, state)
            kinds.append(
                _Kind(run_id=run_id, group=deployment_limit(own), share=share * part, since=since, until=until)
            )
        return kinds

    def _end(self, run_id: str, state: str) -> None:
        if state == "CANCELLED":
            self.store.records.cancel(run_id, actor="bench", reason="to be an ended run")
            return
        claim = self._worker.start()
        assert claim.run_id == run_id, f"expected to claim {run_id}, got {claim.run_id}"
        self._worker.finish(claim, state, reason="" if state == "COMPLETED" else "ValueError: expected a number")


def pieces(count: int, size: int) -> Iterator[range]:
    """The numbers below `count`, so many at a time."""
    return (range(at, min(at + size, count)) for at in range(0, count, size))
