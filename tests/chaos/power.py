"""An installation under load whose Redis loses its power again and again, and what became of what it had acknowledged.

Clients create runs without a break, agents by their calls claim, renew and finish them, a scheduler makes the runs of
schedules with an instant every second. Then the end of the append-only file is cut off, the server starts on what is
left, and everything goes on: agents renew what they hold before they claim again, as real ones do.
"""

from __future__ import annotations

import itertools
import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from orchestrator.client import Client
from orchestrator.config import Settings
from orchestrator.scheduler.leadership import Leadership
from orchestrator.scheduler.passes import Passes
from orchestrator.scheduler.process import passes_of
from orchestrator.schedules import IntervalSchedule
from orchestrator.store import Store
from orchestrator.store.run_lists import Filter
from queues.claims import Claim, Claims, Held, Outcome
from queues.connection import connect
from queues.recovery import Greeting, WindowLength
from queues.repair import Repair
from queues.runs import NewRun
from queues.states import TERMINAL, State
from tests.queues.floor import Floor
from tests.queues.oracle import check, look
from tests.support.deployments import spec
from tests.support.power_loss import LogLengths
from tests.support.redis_server import RedisServer

LENGTH = WindowLength(lease_seconds=1.2, grace_seconds=0.3, hold_seconds=0.4)
LONGEST_RUN = 1.0
SHARE_OF_LONG = 0.05
"""Of the runs so many take time; the others end at once, so that no backlog grows."""
SCHEDULES = 5


@dataclass
class Holder:
    """An agent reduced to its calls: what it holds, and until when each run takes."""

    claims: Claims
    slots: int = 8
    held: dict[str, tuple[Claim, float]] = field(default_factory=dict)
    lost: int = 0
    adopted: int = 0

    def work(self, rng: random.Random) -> None:
        """Renew, end what is done, take new runs."""
        self.renew()
        for claim, ends in list(self.held.values()):
            if time.monotonic() >= ends:
                self.claims.finish(claim.run_id, claim.token, claim.claim_id, Outcome(state="COMPLETED"))
                del self.held[claim.run_id]
        if len(self.held) < self.slots:
            reply = self.claims.claim(("default",), self.slots - len(self.held), claim_id=uuid.uuid4().hex)
            for claim in reply.claims:
                takes = rng.uniform(0, LONGEST_RUN) if rng.random() < SHARE_OF_LONG else 0.0
                self.held[claim.run_id] = (claim, time.monotonic() + takes)
                self.claims.confirm(claim.run_id, claim.token, claim.claim_id)

    def renew(self) -> None:
        """Extend the leases, and drop what is not this agent's any more."""
        held = [
            Held(run_id=claim.run_id, token=claim.token, claim_id=claim.claim_id, confirmed=True)
            for claim, _ in self.held.values()
        ]
        for run_id in self.claims.renew(held).lost:
            self.lost += 1
            del self.held[run_id]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What one power loss took: acknowledged runs, and those of them that were acknowledged before the cut.

    Of the runs that agents were executing: those taken back though the claim was lost; those whose record is gone.
    """

    gone: int
    too_early: tuple[str, ...]
    adopted: int
    executing_gone: int
    instants_gone: int


class PowerSite:
    """One server, one scheduler, three agents, five schedules; closed with `close`."""

    def __init__(self, rng: random.Random, *, program: str | None = None, strict: bool = False) -> None:
        self.rng = rng
        self.strict = strict
        options = {"appendfsync": "always" if strict else "everysec", "auto-aof-rewrite-percentage": "0"}
        self.server = RedisServer(append_only=True, options=options, program=program).start()
        self.acked: dict[str, float] = {}
        self.lengths = LogLengths(self.server)
        self.synced = 0
        self.made: set[str] = set()
        self.names = itertools.count()
        self.holders: list[Holder] = []
        self.connect()
        client = Client(self.store, actor="a proof")
        schedules = [IntervalSchedule(timedelta(seconds=1), slug=f"s{n}", catch_up="all") for n in range(SCHEDULES)]
        self.deployment = client.create_from_spec(spec(*schedules, max_waiting=10_000)).id

    def connect(self) -> None:
        """Connect as every role does, greeting included; agents keep what they hold."""
        client = connect(self.server.url, timeout=10, greet=Greeting(length=LENGTH))
        self.store = Store(client)
        before = self.holders
        self.holders = [
            Holder(Claims(self.store.scripts, f"a{n}", lease_seconds=LENGTH.lease_seconds), held=dict(old))
            for n, old in enumerate([holder.held for holder in before] or [{}, {}, {}])
        ]
        settings = Settings(lease_seconds=LENGTH.lease_seconds, renew_seconds=0.2, grace_seconds=LENGTH.grace_seconds)
        leadership = Leadership(self.store, length=LENGTH, leads_seconds=0.5)
        self.passes: Passes = passes_of(settings, self.store, leadership, LENGTH)

    def create(self) -> None:
        """Create a run and note when that was acknowledged, and how long the file was by then."""
        run_id = f"r{next(self.names)}"
        self.store.records.create([NewRun(id=run_id, queue="default", actor="a proof")])
        self.acked[run_id] = time.monotonic()
        if self.strict:
            self.synced = self.lengths.file.stat().st_size

    def work(self, seconds: float, *, creates: int = 3) -> None:
        """Let everything work for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for _ in range(creates):
                self.create()
            for holder in self.holders:
                holder.work(self.rng)
            self.passes.once()

    def lose_power(self) -> Loss:
        """Cut the end of the file off, start the server on the rest, and see what is gone."""
        before = self.scheduled()
        if self.strict:
            self.lengths.lose_beyond(self.synced, self.rng.random())
            cut = time.monotonic()
        else:
            cut = self.lengths.lose(self.rng.uniform(0.5, 2.0))
        held = {run_id for holder in self.holders for run_id in holder.held}
        self.server.start()
        self.lengths = LogLengths(self.server)
        self.connect()
        ids = list(self.acked)
        gone = {run_id for run_id, run in zip(ids, self.store.records.get_many(ids), strict=True) if run is None}
        waiting = {run.id for run in self.store.records.get_many(sorted(held)) if run and run.state == "QUEUED"}
        for holder in self.holders:
            holder.renew()
        kept = {run_id for holder in self.holders for run_id in holder.held}
        too_early = tuple(sorted(run_id for run_id in gone if self.acked[run_id] < cut))
        for run_id in gone:
            del self.acked[run_id]
        self.made |= before
        return Loss(
            gone=len(gone),
            too_early=too_early,
            adopted=len(waiting & kept),
            executing_gone=len(held - kept - waiting),
            instants_gone=len(before - self.scheduled()),
        )

    def settle(self, within: float = 30.0) -> list[str]:
        """Make nothing new and let everything end; gives what is stuck."""
        Client(self.store, actor="a proof").pause_deployment("nightly")
        until = time.monotonic() + within
        while (stuck := self.unfinished()) and time.monotonic() < until:
            for holder in self.holders:
                holder.work(self.rng)
            self.passes.once()
        Client(self.store, actor="a proof").resume_deployment("nightly")
        return stuck

    def unfinished(self) -> list[str]:
        """Runs that have not ended."""
        keys = [self.store.keys.state(state) for state in State if state not in TERMINAL]
        found = self.store.scripts.ask_many(lambda pipe: [pipe.zrange(key, 0, -1) for key in keys])
        return [run_id.decode() for ids in found for run_id in ids]

    def scheduled(self) -> set[str]:
        """The runs that the schedules have."""
        return {run_id for piece in self.store.runs.ids(Filter(deployment_id=self.deployment)) for run_id in piece}

    def wrong_instants(self) -> tuple[int, list[str]]:
        """How many instants there were from the first run to the cursor; what is wrong with their runs and skips."""
        key = self.store.keys.schedule(self.deployment)
        wrong, count = [], 0
        runs = [run for run in self.store.records.get_many(sorted(self.scheduled())) if run]
        skips = self.store.schedules.skips(self.deployment, 100_000)
        for number in range(SCHEDULES):
            slug = f"s{number}"
            made = [run.due_us for run in runs if run.history[0].reason == f"schedule {slug}"]
            cursor = int(self.store.scripts.redis.hget(key, f"cursor:{slug}") or 0)
            passed = sum(skip.count for skip in skips if skip.slug == slug and skip.last_us >= min(made))
            expected = (cursor - min(made)) // 1_000_000 + 1
            count += expected
            if len(made) != len(set(made)) or len(made) + passed != expected:
                wrong.append(f"{slug}: {len(made)} runs and {passed} skips for {expected} instants")
        lost = self.made - self.scheduled()
        return count, wrong + ([f"{len(lost)} runs of instants were not made again"] if lost else [])

    def broken(self) -> list[str]:
        """What the oracle and repair find; nothing in a healthy installation."""
        found = []
        floor = Floor(self.store.scripts)
        try:
            check(look(floor))
        except AssertionError as error:
            found.append(str(error)[:200])
        repair = Repair(self.store.scripts, lease_seconds=LENGTH.lease_seconds)
        counts = [dict(repair.repair_once().counts) for _ in range(5)]
        return found + [f"repaired {each}" for each in counts if set(each) - {"agents"}]

    def close(self) -> None:
        """Kill the server."""
        self.lengths.leave()
        self.server.close()
