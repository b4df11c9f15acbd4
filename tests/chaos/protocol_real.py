"""The protocol under faults with real processes: agents with the flows inside, two schedulers, Redis with its file.

Who is killed is chosen by the seed, when is spread over the time; a killed agent comes back under its name or another.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.store import Store
from queues.connection import connect
from queues.errors import RedisFailure, RefusedByState
from queues.recovery import Greeting, WindowLength
from queues.states import HELD, TERMINAL, State
from tests.chaos.history import Collector, History, Record
from tests.chaos.protocol_agent import GRACE, LEASE, MOST_RETRIES
from tests.chaos.protocol_ending import complete
from tests.chaos.protocol_family import Family
from tests.chaos.protocol_network import Call, Network, Unanswered
from tests.chaos.protocol_world import CHOICES, MAX_LOST, deploy, make_queues, new_runs
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

BATCH, WIDER = 20, 8
"""Runs of one create, and how many times as wide the limits are as in the stepped world."""
STUCK_SECONDS = 30.0
"""After so long without any move, what has not ended is stuck."""
NEW_NAME = 0.15
"""Share of killed agents that do not come back under their name: their runs wait for the end of their leases."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is to happen, in how many seconds."""

    seconds: float
    runs: int
    kills: int
    freezes: int
    redis_kills: int
    scheduler_kills: int
    cancels: int
    agents: int = 12


class Real:
    """One world of processes: `run` gives its history."""

    def __init__(self, seed: int, size: Size) -> None:
        self.size = size
        self.rng = random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="hgp"))
        self.server = RedisServer(append_only=True).start()
        greeting = Greeting(length=WindowLength(lease_seconds=LEASE, grace_seconds=GRACE))
        self.store = Store(connect(self.server.url, greet=greeting), silent_seconds=LEASE + GRACE)
        self.history = History()
        self.collector = Collector(self.history, self.server.client()).start(every=0.05)
        self.network = Network(self.rng, time.monotonic, self.history.add)
        self.family = Family(self.folder, self.server.url)
        self.calls: list[tuple[str, list[Any], Call, Record]] = []
        self.made: list[str] = []
        self.names = size.agents
        self.busy: dict[str, float] = {}
        """Who was frozen or killed already, and when to let it go on."""
        self.redis_back = self.killed_at = 0.0
        self.held: dict[str, str] = {}
        self.looked = 0
        self.faults_until = time.monotonic() + size.seconds

    def run(self) -> History:
        """Make runs and faults, heal, wait until all is quiet; everything is gone afterwards."""
        try:
            self.history.add("settings", lease=LEASE, grace=GRACE, max_lost=MAX_LOST)
            make_queues(self.store, times=WIDER)
            scheduled = deploy(self.store)
            for name in [*(f"a{number}" for number in range(self.size.agents)), "s0", "s1"]:
                self._start(name)
            self._work()
            until = self._heal()
            self.family.close()
            self.collector.stop()
            self.history.records += self._notes()
            complete(self.history, self.store, scheduled, until)
            return self.history
        finally:
            self.family.process.kill()
            self.family.process.wait(10)
            self.server.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---------------------------------------------------------------- while faults go on
    def _work(self) -> None:
        began, plan = time.monotonic(), self._plan()
        while plan or time.monotonic() - began < self.size.seconds:
            now = time.monotonic() - began
            while plan and plan[0][0] <= now:
                self._do(plan.pop(0)[1])
            self._keep_up()
            time.sleep(0.004)

    def _plan(self) -> list[tuple[float, str]]:
        size = self.size
        counts = {
            "create": -(-size.runs // BATCH),
            "kill agent": size.kills,
            "freeze agent": size.freezes,
            "kill redis": size.redis_kills,
            "kill scheduler": size.scheduler_kills,
            "cancel": size.cancels,
            "change limit": size.cancels,
        }
        longest = {name: size.seconds * (0.85 if name == "create" else 0.95) for name in counts}
        return sorted(
            (self.rng.uniform(0.0, longest[name]), name) for name, count in counts.items() for _ in range(count)
        )

    def _do(self, what: str) -> None:
        if what == "create":
            self._create()
        elif what == "cancel":
            self._cancel()
        elif what == "change limit":
            limit = self.rng.choice([*CHOICES])
            number = self.rng.choice(CHOICES[limit])
            call = Call(lambda: self.store.limits.set(limit, number and number * WIDER, "ann"))
            self.calls.append(("set_limit", [], call, {}))
        elif what == "kill redis":
            self.history.fault(what)
            self.server.kill()
            self.killed_at = time.time()
            self.redis_back = time.monotonic() + self.rng.uniform(0.0, 0.3)
        else:
            self._hurt(what, "s" if what == "kill scheduler" else "ab")

    def _hurt(self, what: str, kinds: str) -> None:
        """Kill or freeze one of those that live and were not frozen before: of agents, one that just claimed."""
        fit = sorted(name for name in [*self.family.alive] if name[0] in kinds and name not in self.busy)
        if kinds != "s" and time.monotonic() < self.faults_until:
            self._look()
            fit = [agent for agent in [*self.held.values()][-6:] if agent in fit]
        if not fit:
            return self.calls.append(("again", [what], Call(lambda: None), {}))
        name = self.rng.choice(fit)
        self.history.fault(what, agent=name, pid=self.family.alive[name])
        self.family.send(name, signal.SIGSTOP if what == "freeze agent" else signal.SIGKILL)
        self.busy[name] = time.monotonic() + self.rng.choice((0.5, 1, 2, 4)) * LEASE
        return None

    def _look(self) -> None:
        """Follow the moves that were collected: which agent holds which run, the newest last."""
        records = self.history.records
        for record in records[self.looked :]:
            if record["kind"] != "move":
                continue
            self.held.pop(record["run"], None)
            if record["to"] in HELD:
                self.held[record["run"]] = record["agent"]
        self.looked = len(records)

    def _keep_up(self) -> None:
        """Whoever is gone comes again, whoever was frozen goes on, what was not answered is sent again."""
        now = time.monotonic()
        if self.redis_back and now >= self.redis_back:
            self.redis_back = 0.0
            self.server.start()
            # What it acknowledged while an fsync was under way may be gone, as after a loss of power.
            self.collector.cut(self.killed_at)
        for name in self.family.take_lost():
            self.busy.pop(name, None)
            self._start(name if name[0] == "s" or self.rng.random() > NEW_NAME else self._new_name())
        for name in [name for name, at in self.busy.items() if at <= now]:
            del self.busy[name]
            self.family.send(name, signal.SIGCONT)
        self.network.deliver()
        waiting, self.calls = self.calls, []
        for verb, runs, call, more in waiting:
            self._call(verb, runs, call, more)

    def _start(self, name: str) -> None:
        self.family.start("scheduler" if name[0] == "s" else "agent", name, self.rng.getrandbits(32))

    def _new_name(self) -> str:
        self.names += 1
        return f"b{self.names}"

    # ---------------------------------------------------------------- clients
    def _create(self) -> None:
        count = min(BATCH, self.size.runs - len(self.made))
        new, request = new_runs(self.rng, round(time.time() * 1_000_000), count), str(uuid.uuid4())
        self.made += [run.id for run in new]
        more = {"request": request, "max_lost": MAX_LOST, "retries": MOST_RETRIES}
        call = Call(lambda: len(self.store.records.create(new, request_id=request)))
        self.calls.append(("create", new, call, more))

    def _cancel(self) -> None:
        """Cancel one of the runs that were claimed last, or one that waits."""
        self._look()
        run = self.rng.choice([*self.held][-4:] or self.made[-20:] or [""])
        if run:
            self.calls.append(("cancel", [run], Call(lambda: self._cancelled(run)), {}))

    def _cancelled(self, run: str) -> str:
        try:
            return str(self.store.records.cancel(run, actor="user:ann", request_id=f"cancel-{run}").state)
        except RefusedByState:
            return "refused"

    def _call(self, verb: str, runs: list[Any], call: Call, more: Record) -> None:
        if verb == "again":
            return self._do(runs[0])
        sent = time.monotonic()
        try:
            answer = self.network.make(call)
        except (Unanswered, RedisFailure):
            return self.calls.append((verb, runs, call, more))
        times = {"sent": sent, "answered": time.monotonic(), "resent": call.tries - 1}
        for run in runs:
            about = {"runs": [run]} if verb == "cancel" else {"runs": [run.id], "due": run.due_us}
            self.history.add("ack", client="client", verb=verb, answer=answer, **about, **times, **more)
        return None

    # ---------------------------------------------------------------- the end
    def _heal(self) -> int:
        """Stop all faults, wait until all has ended; gives the time up to which instants were dealt with."""
        self.network.repeated = 0.0
        until, seen, moved_at = 0, 0, time.monotonic()
        while time.monotonic() < moved_at + STUCK_SECONDS and not (until and self._quiet()):
            self._keep_up()
            if len(self.history.records) != seen:
                seen, moved_at = len(self.history.records), time.monotonic()
            if not until and not self.calls and not self.redis_back:
                until = self._stop_schedules()
            time.sleep(0.02)
        time.sleep(0.3)  # a pass of repair may still be on its way
        return until

    def _stop_schedules(self) -> int:
        redis, until = self.store.scripts.redis, self.store.scripts.now_us()
        wait_until(
            lambda: redis.zcount(self.store.keys.due, "-inf", until) == 0, within=30, message="instants to be made"
        )
        redis.delete(self.store.keys.due)
        return until

    def _quiet(self) -> bool:
        open_states = [state for state in State if state not in TERMINAL]
        try:
            return not any(self.store.scripts.redis.zcard(self.store.keys.state(state)) for state in open_states)
        except RedisFailure:
            return False

    def _notes(self) -> Iterator[Record]:
        """What the agents noted, and that their flows ended with them."""
        gone = {event["pid"]: event["mono"] for event in self.family.gone}
        faults = {fault["detail"].get("pid"): fault["detail"] for fault in self.history.of("fault")}
        for file in sorted(self.folder.glob("*.jsonl")):
            records: list[Record] = [json.loads(line) for line in file.read_text().splitlines()]
            pid = int(file.stem.rpartition("-")[2])
            running: dict[tuple[str, int], Record] = {}
            for record in records:
                if record["kind"] == "flow":
                    running[record["run"], record["attempt"]] = record
            left = [record for record in running.values() if record["what"] == "start"]
            if pid in faults:
                faults[pid]["runs"] = len(held_at_the_end(records))
            yield from records
            yield from ({**record, "what": "gone", "mono": gone[pid]} for record in left)


def held_at_the_end(records: list[Record]) -> set[str]:
    """The runs that an agent had claimed and not yet given up, as its last word says."""
    held: set[str] = set()
    for record in records:
        if record["kind"] == "ack" and record["verb"] == "claim":
            held.update(record["runs"])
        elif record["kind"] == "ack" and (record["verb"] in ("finish", "release") or record["answer"] == "lost"):
            held.difference_update(record["runs"])
    return held
