"""One call of every script, each on a stage where it has something to do: what is sent again by the proof of that name.

A call is made through connections that a proxy may strike (`far`); the stage is set, and looked at, beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import redis

from orchestrator.store import Store
from orchestrator.store.deployments import PlacedSchedule, canonical
from orchestrator.store.instants import first_after
from orchestrator.store.run_logs import LogRecord
from orchestrator.store.schedules import Advance, Skip, Wanted
from orchestrator.store.tasks import TaskRecord
from queues.claims import Claim, Claims, Held, Outcome
from queues.identity import ProcessIdentity
from queues.presence import Presence
from queues.repair import FORGET_AGENTS_SECONDS, SLICE
from queues.runs import NewRun
from queues.scripts import PARTS
from queues.states import State
from tests.chaos.resent_code_calls import CodeCalls
from tests.queues.floor import Floor, proof
from tests.support.deployments import MINUTELY, spec

Call = Callable[[], Any]
ID = "f67946e6-6291-5c97-a4e8-3ce5007dd3ea"
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (("queues", ROOT / "queues" / "lua"), ("orchestrator.store", ROOT / "orchestrator" / "store" / "lua"))
READS = {"audit", "read_queues", "read_runs", "find_runs", "page_runs", "due_schedules"}
"""Verbs that write nothing on these stages."""


def scripts_of(folder: Path) -> set[str]:
    """The verbs of a folder of scripts."""
    return {path.stem for path in folder.glob("*.lua")} - PARTS


def every_verb() -> list[str]:
    """All verbs, as they stand in the folders: one that is added is sent again too, or the proof fails."""
    return sorted(verb for _, folder in FOLDERS for verb in scripts_of(folder))


class Stage(CodeCalls):
    """An empty Redis: `near` sets it, `far` is what the calls are made on."""

    def __init__(self, near: redis.Redis, far: redis.Redis) -> None:
        self.near, self.far = Store(near), Store(far)
        self.floor = Floor(self.near.scripts)
        self.agent = Claims(self.far.scripts, "a1")

    def clear(self) -> None:
        """Empty it, and bring the clock back."""
        self.near.scripts.redis.flushall()
        self.travel(-self.near.scripts.offset_us)

    def travel(self, microseconds: int) -> None:
        """Let time pass for both."""
        self.near.travel(microseconds)
        self.far.travel(microseconds)

    def started(self) -> Claim:
        """A run that the agent a1 executes."""
        return self.floor.start("run", limits=("tag:t",))

    def deployed(self) -> tuple[dict[str, Any], list[PlacedSchedule]]:
        """What is applied to have a deployment with a schedule."""
        made = spec(MINUTELY, concurrency_limit=2)
        texts = {one["slug"]: canonical(one) for one in made["schedules"]}
        now = self.near.scripts.now_us()
        return made, [
            PlacedSchedule(slug=slug, text=text, next_us=first_after(text, now)) for slug, text in texts.items()
        ]

    def deploy(self) -> None:
        """Have a deployment whose schedule is due."""
        self.near.deployments.put(ID, *self.deployed(), "ann")
        self.travel(90_000_000)

    def due(self) -> Any:
        """Its schedule, and an instant of it."""
        (standing,) = self.near.schedules.due(10).standings
        return standing, standing.cursor_us + 60_000_000

    # -------------------------------------------------------------- floor 0: clients
    def create(self) -> Call:
        new = [NewRun(id=f"r{n}", queue="default", actor="t", groups=("deployment:d",)) for n in range(3)]
        return partial(self.far.records.create, new, request_id="q1")

    def cancel(self) -> Call:
        self.floor.make("run")
        return partial(self.far.records.cancel, "run", actor="t", request_id="q1")

    def cancel_many(self) -> Call:
        self.started()
        self.floor.make("r1", "r2")
        return lambda: list(self.far.records.cancel_many(["run", "r1", "r2", "nothing"], actor="t"))

    def cancel_waiting(self) -> Call:
        self.floor.make("r1", "r2")
        return lambda: list(self.far.records.cancel_waiting(["r1", "r2"], states=["QUEUED"], actor="t"))

    def transfer(self) -> Call:
        self.near.queues.create("gpu", actor="t")
        self.floor.make("run")
        return partial(self.far.records.transfer, ["run"], "gpu", actor="t")

    def forget(self) -> Call:
        self.floor.finish(self.started())
        return partial(self.far.records.forget, ["run"])

    # -------------------------------------------------------------- floor 0: agents
    def claim(self) -> Call:
        self.floor.make("r1", "r2", "r3")
        return partial(self.agent.claim, ["default"], 2, claim_id="c9")

    def confirm(self) -> Call:
        self.floor.make("run")
        (claim,) = self.floor.claim()
        return partial(self.agent.confirm, *proof(claim))

    def renew(self) -> Call:
        self.register_call(self.near)()
        run, token, claim_id = proof(self.started())
        self.travel(1_000_000)
        return partial(self.agent.renew, [Held(run_id=run, token=token, claim_id=claim_id)])

    def finish(self) -> Call:
        return partial(self.agent.finish, *proof(self.started()), Outcome(state="COMPLETED"))

    def finish_to_retry(self) -> Call:
        """The other way a finish may go."""
        return partial(self.agent.finish, *proof(self.started()), Outcome(state="FAILED", retry_in_seconds=9))

    def release(self) -> Call:
        return partial(self.agent.release, *proof(self.started()), reason="t", counts_as_loss=True)

    def register_call(self, store: Store) -> Call:
        identity = ProcessIdentity(host="h", pid=1, boot_id="b", started="1")
        given = {"limit": 4, "instance": "i1", "identity": identity, "takeover": "i0"}
        return partial(Presence(store.scripts).register, "a1", ["default"], **given)

    def register(self) -> Call:
        identity = ProcessIdentity(host="h", pid=1, boot_id="b", started="1")
        Presence(self.near.scripts).register("a1", ["default"], limit=4, instance="i0", identity=identity)
        self.started()
        return self.register_call(self.far)

    def unregister(self) -> Call:
        self.register_call(self.near)()
        self.started()
        return partial(Presence(self.far.scripts).unregister, "a1", "i1")

    def request(self) -> Call:
        self.register_call(self.near)()
        return partial(Presence(self.far.scripts).request, "a1", "drain", actor="t")

    # -------------------------------------------------------------- floor 0: operators and the scheduler
    def set_limit(self) -> Call:
        return partial(self.far.limits.set, "tag:gpu", 3, "t")

    def revert_limits(self) -> Call:
        self.near.limits.set("tag:gpu", 3, "t")
        self.near.limits.set("tag:gpu", 9, "t", lasts_seconds=60)
        self.travel(61_000_000)
        return partial(self.far.limits.revert_due, actor="t")

    def set_queue(self) -> Call:
        self.floor.make("run")
        return partial(
            self.far.scripts.call, "set_queue", change="set", queue="default", settings={"paused": "1"}, actor="t"
        )

    def read_queues(self) -> Call:
        return partial(self.far.queues.get, "default")

    def read_runs(self) -> Call:
        self.floor.make("r1", "r2")
        return partial(self.far.records.get_many, ["r1", "r2"])

    def promote(self) -> Call:
        self.floor.make("later", due_us=self.near.scripts.now_us() + 1_000_000)
        self.travel(2_000_000)
        return self.far.records.promote

    def expire(self) -> Call:
        self.started()
        self.travel(60_000_000)
        return partial(self.far.scripts.call, "expire", limit=100, grace_us=2_000_000, lease_us=30_000_000)

    def greet(self) -> Call:
        lengths = {"expiry_us": 32_000_000, "claims_us": 2_000_000, "installation": "i"}
        self.near.scripts.call("greet", run_id="the process before", **lengths)
        return partial(self.far.scripts.call, "greet", run_id="the new process", **lengths)

    def repair(self) -> Call:
        self.floor.make("run")
        self.floor.redis.delete(self.floor.keys.rq_queue("default"))
        forget_us = round(FORGET_AGENTS_SECONDS * 1e6)
        return partial(self.far.scripts.call, "repair", compare={}, slice=SLICE, forget_us=forget_us)

    def audit(self) -> Call:
        self.floor.make("run")
        return partial(self.far.scripts.call, "audit", place="waiting:default", start=0, count=10)

    def mend(self) -> Call:
        self.floor.make("run")
        self.floor.redis.zrem(self.floor.keys.waiting("default"), "run")
        return partial(self.far.scripts.call, "mend", runs=["run"], place=None, lease_us=30_000_000)

    # -------------------------------------------------------------- the store
    def put_deployment(self) -> Call:
        return partial(self.far.deployments.put, ID, *self.deployed(), "ann")

    def pause_deployment(self) -> Call:
        self.deploy()
        return partial(self.far.deployments.set_paused, ID, True, {}, "ann")

    def delete_deployment(self) -> Call:
        self.deploy()
        return partial(self.far.deployments.delete, ID, "ann")

    def delete_queue(self) -> Call:
        self.near.queues.create("gpu", actor="t")
        given = {"queue": "gpu", "deployments": {}, "since": self.near.scripts.now_us(), "actor": "t"}
        return partial(self.far.own_scripts.call, "delete_queue", **given)

    def due_schedules(self) -> Call:
        self.deploy()
        return partial(self.far.schedules.due, 10)

    def begin_instants(self) -> Call:
        self.deploy()
        standing, at = self.due()
        wanted = Wanted(standing=standing, most_waiting=1, instants=(("run", at), ("other", at + 1)))
        return partial(self.far.schedules.begin, [wanted])

    def advance_schedules(self) -> Call:
        self.deploy()
        standing, at = self.due()
        skip = Skip(slug=standing.slug, first_us=at, last_us=at, count=1, reason="t")
        return partial(
            self.far.schedules.advance, [Advance(standing=standing, to_us=at, next_us=at + 60_000_000, skips=(skip,))]
        )

    def lead(self) -> Call:
        times = {"lease_us": 30_000_000, "grace_us": 2_000_000, "tail_us": 60_000_000, "ttl_us": 6_000_000}
        self.near.own_scripts.call("lead", owner="dead", release=False, **times)
        self.travel(7_000_000)
        return partial(self.far.own_scripts.call, "lead", owner="s1", release=False, **times)

    def append_log(self) -> Call:
        claim = self.started()
        records = [LogRecord(1, "x", 20, f"line {n}") for n in range(5)]
        return partial(self.far.logs.append, "run", claim.token, claim.attempt, 1, records)

    def drop_logs(self) -> Call:
        claim = self.started()
        self.near.logs.append("run", claim.token, claim.attempt, 1, [LogRecord(1, "x", 20, "line")])
        return partial(self.far.logs.drop, ["run"], "age")

    def record_tasks(self) -> Call:
        claim = self.started()
        task = TaskRecord(id="t1", name="t", attempt=claim.attempt, state=State.RUNNING, started_us=1)
        return partial(self.far.tasks.record, "run", [task])

    def find_runs(self) -> Call:
        self.floor.make("run")
        return partial(self.far.own_scripts.call, "find_runs", set="runs:QUEUED", start=0, count=10, beginning="r")

    def page_runs(self) -> Call:
        self.floor.make("run")
        return partial(self.far.runs.page, 10)


def call_of(stage: Stage, verb: str) -> Call:
    """Set the stage for a verb and give its call; raises KeyError for a verb that nothing was written for."""
    if not hasattr(Stage, verb):
        raise KeyError(f"no call of the script {verb} is written in {Path(__file__).name}")
    stage.clear()
    make: Callable[[], Call] = getattr(stage, verb)
    return make()
