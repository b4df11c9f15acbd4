"""A real Redis and the model of floor 0 side by side: calls to both, faults, and the comparison after every step.

Time stands on a grid of `TICK`: nothing in the game falls due at a point of it, so that the milliseconds a call takes
decide nothing. What Redis measured with its own clock (due times of retries, ends of leases) must be near to what the
model has, and is taken over into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import reject
from hypothesis.stateful import RuleBasedStateMachine, invariant

from queues.errors import HeadgateQueueError, RefusedByState, RequestReused, UnknownQueue, UnknownRun
from queues.leases import Leases
from queues.presence import Presence
from queues.recovery import WindowLength
from queues.repair import Repair
from queues.scripts import Scripts
from queues.states import HELD
from tests.chaos.model import Model
from tests.chaos.model_records import SECOND, Line, Proof, Record, Refused
from tests.queues.floor import Floor
from tests.queues.oracle import World, check, look
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

QUEUES = {"high": 1, "low": 5, "also": 5}
LIMITS = ("tag:a", "tag:b", "deployment:d", "key:k")
AGENTS = {"a1": (), "a2": ("gpu",), "a3": ("gpu", "region=eu")}
"""What labels they have."""

TICK = 8 * SECOND
DRIFT = 1 * SECOND
"""How far the clock of Redis may be past a point of the grid when a call is made."""

LEASE, QUEUE_LEASE, GRACE, START_TIMEOUT, HOLD = 27, 19, 2, 60, 4
"""Seconds; each of them, and lease + grace, ends between two points of the grid."""

CODES = {RefusedByState: "refused", UnknownRun: "unknown_run", UnknownQueue: "unknown_queue"}
Call = Callable[[], Any]


def code_of(error: HeadgateQueueError) -> str:
    """The code of a refusal; an error that is none passes."""
    if isinstance(error, RequestReused):
        return "request_reused"
    if type(error) in CODES:
        return CODES[type(error)]
    raise error


class Table(RuleBasedStateMachine):
    """Redis and the model, calls to both, and the comparison after every step; the verbs stand in `model_machine`."""

    server: RedisServer
    occurred: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        client = self.server.client()
        client.flushall()
        self.floor = Floor(Scripts(client))
        self.schedulers = Scripts(client, package="orchestrator.store")
        self.presence = Presence(self.floor.scripts, silent_seconds=LEASE + GRACE)
        self.leases = Leases(self.floor.scripts, grace_seconds=GRACE, lease_seconds=LEASE)
        self.model = Model(
            lease=LEASE * SECOND, grace=GRACE * SECOND, start_timeout=START_TIMEOUT * SECOND, hold=HOLD * SECOND
        )
        self.agents = {
            name: self.floor.agent(name, lease_seconds=LEASE, labels=labels) for name, labels in AGENTS.items()
        }
        self.model.labels = {name: frozenset(labels) for name, labels in AGENTS.items()}
        self.tokens = {0: 0}
        self.proofs: list[Proof] = []
        self.sent: list[tuple[Call, Call]] = []
        self.count = 0
        self.tail: tuple[Model, dict[bytes, bytes | None]]

    def set_up(self) -> None:
        """Three queues on an empty Redis that has been greeted."""
        self.model.now = (self.floor.scripts.now_us() // TICK + 1) * TICK
        self.travel(0, self.model.now - self.floor.scripts.now_us())
        self.greet()
        for name, priority in QUEUES.items():
            self.floor.queues.create(name, priority=priority)
            self.model.lines[name] = Line(priority=priority)
        for limit, number in (("tag:a", 1), ("tag:b", 2), ("key:k", 1)):
            self.floor.limits.set(limit, number, "user:ann")
            self.model.set_limit(limit, number)

    def teardown(self) -> None:
        """Close the connection."""
        self.floor.redis.close()

    # -------------------------------------------------------------- calls
    def on_time(self) -> None:
        """Bring the clock of Redis back near the grid before a call."""
        drift = self.floor.scripts.now_us() - self.model.now
        if drift > DRIFT:
            self.travel(TICK, TICK - drift)

    def travel(self, model: int, redis: int | None = None) -> None:
        """Let time pass, or go back, in both."""
        self.floor.scripts.offset_us += model if redis is None else redis
        self.schedulers.offset_us = self.floor.scripts.offset_us
        self.model.now += model

    def call(self, real: Call, ideal: Call, *, again: bool = False) -> Any:
        """Make one call on both sides: they must answer the same. Every third answer is lost, and the call sent again.

        A call that is not sent `again` is kept, to be sent again later.
        """
        self.on_time()
        if not again:
            self.sent.append((real, ideal))
        for _ in range(2 if len(self.sent) % 3 == 0 and not again else 1):
            answer, expected = self.answer(real), self.answer(ideal)
            assert answer == expected, f"Redis answered {answer}, the model {expected}"
        self.occurred["lost answers"] += len(self.sent) % 3 == 0 and not again
        return answer

    @staticmethod
    def answer(call: Call) -> Any:
        """The answer, or the code of the refusal."""
        try:
            return call()
        except HeadgateQueueError as error:
            return "refusal", code_of(error)
        except Refused as refusal:
            return "refusal", str(refusal)

    def fresh(self, kind: str) -> str:
        """An id that no earlier call had; its first eight characters are its own."""
        self.count += 1
        return f"{self.count:06d}-{kind}"

    def real(self, proof: Proof) -> tuple[str, int, str]:
        """The proof as Redis knows it."""
        return proof[0], self.tokens[proof[1]], proof[2]

    def learn_tokens(self) -> None:
        """Pair new tokens of the model with those that Redis gave."""
        records = self.floor.runs.get_many(list(self.model.runs))
        highest = max(self.tokens.values())
        for run, record in zip(self.model.runs.values(), records, strict=True):
            if record is None:
                continue
            if run.token not in self.tokens:
                # Runs that one call gives back get their tokens in any order, but all of them are new.
                assert record.token > highest, f"{run.id}: token {record.token} after {highest}"
                assert record.token not in self.tokens.values(), f"{run.id} shares the token {record.token}"
                self.tokens[run.token] = record.token
            assert record.token == self.tokens[run.token], f"{run.id}: {record.token}, not {self.tokens[run.token]}"

    # -------------------------------------------------------------- faults
    def greet(self) -> None:
        """Let Redis learn which server process it is; a crash opens the window."""
        run_id = self.floor.redis.info("server")["run_id"]
        window = WindowLength(lease_seconds=LEASE, grace_seconds=GRACE, hold_seconds=HOLD)
        if self.floor.scripts.call("greet", run_id=run_id, installation="i", **window.arguments())["window"]:
            self.model.returned()

    def beat(self) -> None:
        """A scheduler says that Redis takes writes."""
        times = {"lease_us": LEASE * SECOND, "grace_us": GRACE * SECOND, "tail_us": 60 * SECOND, "ttl_us": 6 * SECOND}
        self.on_time()
        self.schedulers.call("lead", owner="s1", release=False, **times)
        self.model.beat()

    def jump(self, by: int) -> None:
        """The clock of Redis jumps, and a scheduler sees it."""
        self.beat()
        self.travel(by)
        self.beat()
        if by < 0:
            self.keep_tail()
        self.occurred["jumps of the clock"] += 1

    def restart(self) -> None:
        """Kill -9 of Redis, and a new process on the same files.

        A return that is lost with the tail, and a clock that was set back behind what gave the last tokens, are not
        played together (nor by `jump`): tokens may come again then.
        """
        self.floor.redis.close()
        before = self.server.pid
        self.server.restart()
        assert self.server.pid != before
        self.floor.redis = self.floor.scripts.redis = self.schedulers.redis = self.server.client()
        wait_until(lambda: not self.floor.redis.info("persistence")["loading"], 10, message="Redis to read its log")
        self.on_time()
        ahead = int(self.floor.redis.get(self.floor.keys.token) or 0) > 16 * (self.floor.scripts.now_us() // 1000)
        self.greet()
        if ahead:
            self.keep_tail()
        self.occurred["kills of Redis"] += 1

    def keep_tail(self) -> None:
        """Remember all there is: what comes after may be lost."""
        self.tail = self.model.snapshot(), self.floor.dump()

    def lose_tail(self) -> None:
        """Redis returns without the end of its log: all since `keep_tail` is undone, and no token comes again."""
        now, token, (self.model, dump) = self.model.now, self.model.token, self.tail
        self.model.now, self.model.token = now, token
        self.floor.redis.flushall()
        for key, value in dump.items():
            if value is not None:
                self.floor.redis.restore(key, 0, value)
        self.on_time()
        self.floor.redis.hset(self.floor.keys.recovery, "run_id", "the process before")
        self.greet()
        self.keep_tail()
        self.occurred["lost tails"] += 1

    # -------------------------------------------------------------- after every step
    @invariant()
    def the_model_is_what_redis_holds(self) -> None:
        """Records, leases, limits, settings and names are equal, and every run stands in exactly its places."""
        if self.floor.scripts.now_us() - self.model.now > TICK // 2:
            reject()  # the machine stood still for seconds: nothing can be said about what is due
        world = look(self.floor)
        assert set(world.runs) == set(self.model.runs)
        self.learn_tokens()
        ends = dict(self.floor.redis.zrange(self.floor.keys.leases, 0, -1, withscores=True))
        for run_id, run in self.model.runs.items():
            self.compare(world, run, int(ends.get(run_id.encode(), 0)))
        assert world.numbers == self.model.numbers
        check(world)
        self.occurred["parked"] += any(world.parked.values())
        self.occurred["waiting for a label"] += any(ids for line, ids in world.waiting.items() if "+" in line)

    def compare(self, world: World, run: Record, end: int) -> None:
        """One record, and what Redis measured of it."""
        real = world.runs[run.id]
        found = (real.state, real.state_name, real.line, real.attempt, real.lost, real.failures)
        line = "+".join([run.queue, *run.requires])
        assert found == (run.state, run.name, line, run.attempt, run.lost, run.failures), (real, run)
        if run.state in HELD:
            assert (set(real.held), real.agent, real.claim) == (set(run.held), run.agent, run.claim), (real, run)
            assert abs(end - run.deadline) < TICK // 2, f"the lease of {run.id} ends {end}, expected {run.deadline}"
            run.deadline = end
        assert abs(real.due_us - run.due) < TICK // 2, f"{run.id} is due {real.due_us}, expected {run.due}"
        run.due = real.due_us

    def repair(self) -> None:
        """A pass of repair finds nothing to do."""
        self.on_time()
        found = {kind for kind, count in Repair(self.floor.scripts).repair_once().counts.items() if count}
        assert not found, found
