"""What the protocol itself costs: calls per second beside a bare round trip, and bytes of Redis per run."""

import time
import uuid
from collections.abc import Callable

import redis as redis_py

from queues.claims import Claim, Claims, Outcome
from queues.runs import NewRun, Runs
from queues.scripts import Scripts
from queues.work_queue import WorkQueues
from tests.benchmarks.figures import Figure, median, ratio
from tests.support.redis_server import RedisServer

TURNS = 5
QUEUE = "bench"


def protocol_figures(scale: float) -> list[Figure]:
    """Calls per second and bytes per run of the protocol alone; what is measured takes turns."""
    calls = max(200, int(1500 * scale))
    with RedisServer(append_only=True) as server:
        protocol = Protocol(server.client())
        waiting, finished = zip(*(protocol.bytes_per_run(calls // 2) for _ in range(TURNS)), strict=True)
        measures = (
            lambda: protocol.round_trips(calls),
            lambda: protocol.enqueues(calls),
            lambda: protocol.enqueues_by_hundred(calls),
            lambda: protocol.claims_alone(calls),
            lambda: protocol.lifecycles(calls // 2),
        )
        turns = [[measure() for measure in measures] for _ in range(TURNS)]
    trip, enqueue, hundred, claim, life = zip(*turns, strict=True)
    return [
        median("bare round trip (script that does nothing)", trip, "/s"),
        median("enqueue, one run per call", enqueue, "/s"),
        ratio("enqueue: share of round trips", enqueue, trip),
        median("enqueue, a hundred per call", hundred, "/s"),
        median("claim, one run per call", claim, "/s"),
        ratio("claim: share of round trips", claim, trip),
        median("claim + confirm + finish, three calls", life, "/s"),
        median("Redis per waiting run", waiting, "bytes", note="with rq job and indexes"),
        median("Redis per finished run", finished, "bytes", at_most=1000, note="with indexes, no logs"),
    ]


def rate(count: int, call: Callable[[], object]) -> float:
    """Calls per second of one caller, one after the other."""
    started = time.perf_counter()
    for _ in range(count):
        call()
    return count / (time.perf_counter() - started)


def typical_run(number: int = 0) -> NewRun:
    """A run as the scheduler makes it: with names, a deployment's index and small parameters."""
    run_id = str(uuid.uuid4())
    deployment = "5d0b9d0f-1c6f-5a3f-8e21-6f0e4a582f4c"
    return NewRun(
        id=run_id,
        queue=QUEUE,
        actor="scheduler",
        groups=(f"deployment:{deployment}",),
        fields={
            "name": f"steady-otter-{number % 100:02d}",
            "flow": "noop",
            "deployment": deployment,
            "revision": 1,
            "code_version": "3f9a2c41d07b",
        },
        data={"parameters": b"{}"},
    )


class Protocol:
    """One client and one agent of the protocol on a Redis of its own; no processes are launched."""

    def __init__(self, redis: redis_py.Redis) -> None:
        self.redis = redis
        scripts = Scripts(redis)
        self.runs = Runs(scripts)
        self.claims = Claims(scripts, "bench-1")
        WorkQueues(scripts).create(QUEUE)

    def round_trips(self, count: int) -> float:
        """Bare round trips per second: a script that does nothing."""
        nothing = self.redis.script_load("return 1")
        return rate(count, lambda: self.redis.evalsha(nothing, 0))

    def enqueues(self, count: int) -> float:
        """Runs per second that one caller makes, one call each."""
        return rate(count, lambda: self.runs.create([typical_run()]))

    def enqueues_by_hundred(self, count: int) -> float:
        """Runs per second that one caller makes, a hundred in each call."""
        batches = count // 100
        return 100 * rate(batches, lambda: self.runs.create([typical_run(number) for number in range(100)]))

    def claims_alone(self, count: int) -> float:
        """Runs per second that one agent claims, one call each; they are finished afterwards."""
        taken: list[Claim] = []
        speed = rate(count, lambda: taken.extend(self.claim(1)))
        assert len(taken) == count, f"expected to claim {count} runs, got {len(taken)}"
        self.finish(taken)
        return speed

    def lifecycles(self, count: int) -> float:
        """Runs per second through claim, confirm and finish, one call each."""

        def once() -> None:
            (claim,) = self.claim(1)
            self.finish([claim])

        return rate(count, once)

    def claim(self, count: int) -> list[Claim]:
        """Take runs."""
        return self.claims.claim([QUEUE], count, claim_id=uuid.uuid4().hex[:12]).claims

    def finish(self, taken: list[Claim]) -> None:
        """Confirm and complete runs."""
        for claim in taken:
            self.claims.confirm(claim.run_id, claim.token, claim.claim_id)
            self.claims.finish(claim.run_id, claim.token, claim.claim_id, Outcome(state="COMPLETED"))

    # ------------------------------------------------------------------ memory
    def used_bytes(self) -> int:
        """Memory of everything that stays: the event stream and answers kept for ten minutes are emptied first."""
        for key in self.redis.scan_iter("*:request:*", count=1000):
            self.redis.delete(key)
        self.redis.xtrim("{headgate}:events", maxlen=0, approximate=False)
        return sum(self.redis.memory_usage(key, samples=0) or 0 for key in self.redis.scan_iter("*", count=1000))

    def bytes_per_run(self, count: int) -> tuple[float, float]:
        """(waiting, finished): bytes of Redis per run, its indexes included."""
        before = self.used_bytes()
        self.runs.create([typical_run(number) for number in range(count)])
        waiting = self.used_bytes() - before
        while taken := self.claim(100):
            self.finish(taken)
        return waiting / count, (self.used_bytes() - before) / count
