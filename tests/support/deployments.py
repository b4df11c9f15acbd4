"""Deployments for tests of the control plane: specs as plain values, and an agent that only claims and finishes."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.schedules import CronSchedule, IntervalSchedule, Schedule
from orchestrator.schedules.stored import with_slugs
from orchestrator.store import Store
from queues.claims import Claim, Claims, Outcome
from queues.clock import to_us
from queues.identity import ProcessIdentity

MINUTELY = IntervalSchedule(timedelta(minutes=1))
HOURLY = IntervalSchedule(timedelta(hours=1))
NEW_YORK = CronSchedule("0 9 15 * *", timezone="America/New_York")
MINUTE_US = 60_000_000
NAMES = (f"ant-{number}" for number in itertools.count())


def spec(*schedules: Schedule, **changes: Any) -> dict[str, Any]:
    """A spec as DeploymentSpec.to_dict() gives it, for a flow that is never loaded."""
    return {
        "name": "nightly",
        "flow": "score",
        "path": "/srv/flows/score.py",
        "function": "score",
        "folder": "/srv/flows",
        "working_dir": "/srv/flows",
        "env": {},
        "python": None,
        "virtualenv": None,
        "condaenv": None,
        "parameters": {},
        "schema": {"parameters": [], "accepts_extra": True},
        "schedules": with_slugs(list(schedules)),
        "tags": [],
        "work_queue": "default",
        "concurrency_limit": None,
        "retries": 0,
        "retry_delay_seconds": 0.0,
        "timeout_seconds": None,
        "on_lost": "rerun",
        "max_lost": 3,
        "max_waiting": 1,
        "code_version": "c0ffee",
        "description": None,
        "source_line": 12,
        **changes,
    }


def travel_to(store: Store, moment: datetime) -> None:
    """Move the clock of the store's scripts to a time."""
    store.travel(to_us(moment) - store.scripts.now_us())


def utc(*fields: int) -> datetime:
    """A time in UTC."""
    return datetime(*fields, tzinfo=UTC)  # type: ignore[misc, arg-type]


class Worker:
    """An agent reduced to its calls: registers, claims, confirms, finishes."""

    def __init__(
        self,
        store: Store,
        name: str = "worker",
        queues: tuple[str, ...] = ("default",),
        labels: tuple[str, ...] = (),
        instance: str = "",
    ) -> None:
        self.store = store
        self.name = name
        self.queues = queues
        self.claims = Claims(store.scripts, name, labels=labels)
        identity = ProcessIdentity.here()
        own, info = instance or str(uuid.uuid4()), {"labels": labels}
        store.presence.register(name, queues, limit=4, info=info, instance=own, identity=identity)

    def claim(self, count: int = 1) -> list[Claim]:
        """Take runs."""
        return self.claims.claim(self.queues, count, claim_id=str(uuid.uuid4())).claims

    def start(self) -> Claim:
        """Take one run and confirm it: it is RUNNING."""
        claim = self.claim()[0]
        self.claims.confirm(claim.run_id, claim.token, claim.claim_id)
        return claim

    def finish(self, claim: Claim, state: str = "COMPLETED", **outcome: Any) -> None:
        """End a run that was started."""
        self.claims.finish(claim.run_id, claim.token, claim.claim_id, Outcome(state=state, **outcome))

    def run_one(self, **outcome: Any) -> str:
        """Take, start and end one run; gives its id."""
        claim = self.start()
        self.finish(claim, **outcome)
        return claim.run_id


def start_one(client: Any, store: Store) -> Any:
    """A run of the deployment `nightly` that is running on an agent of its own."""
    worker = Worker(store, next(NAMES))
    run = client.run_deployment("nightly")
    worker.start()
    return run


def silence(store: Store, name: str, seconds: int) -> None:
    """Let an agent be heard of last so many seconds ago."""
    seen = store.scripts.now_us() - seconds * 1_000_000
    store.scripts.redis.hset(store.keys.agent(name), "seen", seen)
