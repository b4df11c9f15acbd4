"""Random calls under faults leave in a real Redis exactly what the model of floor 0 says, answer for answer.

HEADGATE_MODEL_FACTOR multiplies the examples of the long game, HEADGATE_MODEL_SEED plays another one than the usual,
and with HEADGATE_MODEL_SHRINK=1 a game that fails is made as short as it can be, which may take five minutes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from queues.claims import Outcome
from queues.runs import NewRun
from tests.chaos.model_records import SECOND
from tests.queues.model_machine import Verbs
from tests.queues.model_table import AGENTS, LIMITS, QUEUE_LEASE, QUEUES, TICK
from tests.support.redis_server import RedisServer

SEED = os.environ.get("HEADGATE_MODEL_SEED")
SHRINK = os.environ.get("HEADGATE_MODEL_SHRINK") == "1"
FACTOR = float(os.environ.get("HEADGATE_MODEL_FACTOR", "1"))

which = st.integers(0, 999)
agents = st.sampled_from(sorted(AGENTS))
queues = st.sampled_from(sorted(QUEUES))
limits = st.sampled_from([*LIMITS, *(f"queue:{queue}" for queue in QUEUES)])
lines = st.lists(queues, min_size=1, max_size=3, unique=True)
new_run = st.tuples(
    queues,
    st.lists(st.sampled_from(LIMITS[:1] * 2 + LIMITS), max_size=2, unique=True),
    st.sampled_from([-3, -1, -1, -1, 5, 29]),
    st.sampled_from([("rerun", 99), ("rerun", 2), ("rerun", 1), ("crash", 3)]),
    st.sampled_from([(), (), (), (), ("gpu",), ("gpu", "region=eu"), ("mars",)]),
)
SUFFERED = ("flush", "sync", "lose tail", "repair", "jump", "kill")
outcomes = st.sampled_from(
    [
        Outcome(state="COMPLETED"),
        Outcome(state="FAILED", name="TimedOut", reason="took too long"),
        Outcome(state="CRASHED"),
        Outcome(state="CANCELLED"),
        Outcome(state="FAILED", retry_in_seconds=0),
        Outcome(state="CRASHED", retry_in_seconds=13),
    ]
)


class Game(Verbs):
    """Every verb, every fault. What matters most stands in several rules: each is as likely as any other."""

    @initialize(new=st.lists(new_run, min_size=4, max_size=8), held=st.integers(0, 4), first=st.sampled_from(SUFFERED))
    def begin(self, new: list[Any], held: int, first: str) -> None:
        self.set_up()
        self.create_runs(new, known=True, unknown=0)
        self.keep_tail()
        self.claim_and_confirm("a1", held + 1)
        self.redis_suffers(first, 0)  # so that each occurs, whatever the rules draw

    # -------------------------------------------------------------- clients
    @rule(new=st.lists(new_run, min_size=1, max_size=4), known=st.booleans(), unknown=st.integers(0, 19))
    def create_runs(self, new: list[Any], known: bool, unknown: int) -> None:
        made = []
        for queue, limits, due, (on_lost, max_lost), requires in new:
            self.count += 1
            made.append(
                NewRun(
                    id=f"r{self.count}",
                    queue="nowhere" if unknown == 13 else queue,
                    limits=tuple(limits),
                    requires=requires,
                    due_us=self.model.now + due * SECOND + self.count,
                    actor="user:ann",
                    on_lost=on_lost,
                    max_lost=max_lost,
                )
            )
        self.create(made, self.fresh("create") if known else None)

    @rule(new=st.lists(new_run, min_size=4, max_size=6))
    def create_many(self, new: list[Any]) -> None:
        self.create_runs(new, known=True, unknown=0)

    @rule(at=which, request=st.sampled_from(["new", "none", "of a claim"]))
    def cancel_run(self, at: int, request: str) -> None:
        run_id = self.some(at, [*self.model.runs, "nobody"])
        known = self.fresh("cancel") if request == "new" else None
        if request == "of a claim" and self.proofs:
            known = self.some(at, self.proofs)[2]

        def real() -> Any:
            said = self.floor.runs.cancel(run_id, actor="user:ann", request_id=known)
            return said.state_before, said.state

        self.call(real, lambda: self.model.cancel(run_id, known))

    @rule(at=which)
    def forget_runs(self, at: int) -> None:
        ids = list(self.model.runs)[at % 3 :: 3]
        self.call(lambda: self.floor.runs.forget(ids), lambda: self.model.forget(ids))

    # -------------------------------------------------------------- agents
    @rule(agent=agents, queues=lines, count=st.sampled_from([1, 2, 5]), avoids=st.sampled_from([0, 0, 1]))
    def claim_runs(self, agent: str, queues: list[str], count: int, avoids: int) -> None:
        self.claim(agent, queues, count, ("deployment:d",) if avoids else ())

    @rule(agent=agents, count=st.sampled_from([1, 2, 3]))
    def claim_and_confirm(self, agent: str, count: int) -> None:
        known = len(self.proofs)
        self.claim(agent, sorted(QUEUES), count)
        for proof in self.proofs[known:]:
            self.confirm(proof)

    @rule(at=which)
    def confirm_one(self, at: int) -> None:
        if self.proofs:
            self.confirm(self.some(at, self.proofs))

    @rule(agent=agents, flags=st.integers(0, 2**12 - 1), all_of_them=st.booleans())
    def renew_some(self, agent: str, flags: int, all_of_them: bool) -> None:
        newest = {proof[0]: proof for proof in self.proofs}
        chosen = [proof for at, proof in enumerate(newest.values()) if all_of_them or flags >> at % 6 & 1]
        self.renew(agent, [(proof, bool(flags >> 6 + at % 6 & 1)) for at, proof in enumerate(chosen)])

    @rule(at=which, outcome=outcomes)
    def finish_one(self, at: int, outcome: Outcome) -> None:
        if self.proofs:
            self.finish(self.some(at, self.proofs), outcome)

    @rule(at=which, outcome=outcomes)
    def finish_one_of_the_newest(self, at: int, outcome: Outcome) -> None:
        self.finish_one(at % 4, outcome)

    @rule(at=which, loss=st.booleans())
    def release_one(self, at: int, loss: bool) -> None:
        if self.proofs:
            self.release(self.some(at % 6, self.proofs), loss)

    @rule(
        agent=agents,
        life=st.integers(0, 2),
        dead=st.integers(0, 2),
        what=st.sampled_from(["starts", "starts", "leaves", "drain", "stop"]),
    )
    def agent_comes_or_goes(self, agent: str, life: int, dead: int, what: str) -> None:
        instance = f"{agent}.{life}"
        match what:
            case "starts":
                self.register(agent, instance, "" if dead == life else f"{agent}.{dead}")
            case "leaves":
                self.unregister(agent, instance)
            case _:
                self.ask_to_end(agent, what)

    # -------------------------------------------------------------- the scheduler, and operators
    @rule(ticks=st.sampled_from([0, 1, 1, 4, 8]))
    def scheduler_passes(self, ticks: int) -> None:
        self.travel(ticks * TICK)
        # Redis' clock is a little ahead of the model's: what was due at this very moment when its try ended is due now.
        self.call(lambda: self.floor.runs.promote().count, lambda: self.model.promote(TICK // 2))
        self.expire()

    @rule(ticks=st.sampled_from([4, 8]))
    def leases_end(self, ticks: int) -> None:
        self.scheduler_passes(ticks)

    @rule(limit=limits, number=st.sampled_from([1, 1, 2, 3, None]))
    def change_limit(self, limit: str, number: int | None) -> None:
        self.call(lambda: self.floor.limits.set(limit, number, "user:ann"), lambda: self.model.set_limit(limit, number))

    @rule(queue=queues, change=st.sampled_from(["paused", "open", "open", "first", "last", "lease", "no lease"]))
    def change_queue(self, queue: str, change: str) -> None:
        line, real = self.model.lines[queue], self.floor.queues
        match change:
            case "paused" | "open":
                line.paused = change == "paused"
                (real.pause if line.paused else real.resume)(queue, "user:ann")
            case "first" | "last":
                line.priority = 1 if change == "first" else 9
                real.set_priority(queue, line.priority, "user:ann")
            case _:
                lease = QUEUE_LEASE if change == "lease" else None
                line.lease = lease and lease * SECOND
                real.set_lease(queue, lease, "user:ann")

    # -------------------------------------------------------------- faults
    @rule(at=which)
    def an_earlier_call_arrives_again(self, at: int) -> None:
        if self.sent:
            self.call(*self.some(at, self.sent), again=True)
            self.occurred["calls sent again"] += 1

    @rule(what=st.sampled_from(SUFFERED), at=which)
    def redis_suffers(self, what: str, at: int) -> None:
        match what:
            case "flush":
                self.floor.redis.script_flush()
                self.occurred["script flushes"] += 1
            case "sync":
                self.keep_tail()
            case "lose tail":
                self.lose_tail()
            case "repair":
                self.repair()
            case "jump":
                self.jump((-9, -2, 9)[at % 3] * TICK)
            case "kill":
                self.restart()

    @rule()
    def the_log_loses_its_end(self) -> None:
        self.lose_tail()

    @staticmethod
    def some(at: int, of: Any) -> Any:
        """One of these, the newest first: what is new is more often at stake."""
        return of[-1 - at % len(of)]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis that loses nothing when it is killed, as no fsync of its own holds its writes back, and starts fast."""
    options = {"appendfsync": "no", "auto-aof-rewrite-min-size": "4mb"}
    with RedisServer(append_only=True, options=options) as started:
        yield started


def play(server: RedisServer, *, examples: int, steps: int) -> Counter[str]:
    """Play games; how often each fault occurred."""
    Game.server, Game.occurred = server, Counter()
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=SEED is None,
        database=None,
        deadline=None,
        phases=[Phase.generate, *([Phase.shrink] if SHRINK else [])],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    machine = Game if SEED is None else hypothesis.seed(int(SEED))(Game)
    print(f"seed {SEED or 'of the test (always the same)'}, {examples} games of {steps} steps")
    run_state_machine_as_test(machine, settings=profile)  # type: ignore[no-untyped-call]
    print(", ".join(f"{count} {what}" for what, count in sorted(Game.occurred.items())))
    return Game.occurred


FAULTS = ("calls sent again", "lost answers", "script flushes", "kills of Redis", "lost tails", "expired")
SCENES = (*FAULTS, "parked", "waiting for a label")


def test_redis_does_what_the_model_says_under_every_fault(server: RedisServer) -> None:
    occurred = play(server, examples=35, steps=30)
    assert all(occurred[scene] for scene in SCENES), occurred


@pytest.mark.slow
def test_redis_does_what_the_model_says_for_minutes(server: RedisServer) -> None:
    occurred = play(server, examples=round(600 * FACTOR), steps=50)
    assert all(occurred[scene] >= 20 for scene in SCENES), occurred
