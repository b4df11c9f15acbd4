"""What agents cost Redis: the commands of an idle one, counted on a real one, and the time of a heartbeat."""

from __future__ import annotations

import re
import tempfile
import threading
from collections import Counter
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import redis as redis_py

from queues.claims import Held
from queues.presence import Presence
from queues.scripts import Scripts
from tests.chaos.proof import Options, Proof
from tests.lifecycle.worksite import Site
from tests.queues.floor import Floor
from tests.queues.test_presence import register
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

TARGET = "an idle agent sends < 1 command per second; its heartbeat takes <= 50 us of Redis"
WATCHED_SECONDS = 40.0
ROUNDS = 6
HEARTBEATS = 1000
"""Per round; the best round counts: on a busy machine the others measure the machine."""

BUSY_RUNS = 4

LUA_FOLDERS = [Path(str(files(package))) / "lua" for package in ("queues", "orchestrator.store")]
STARTED = 4
"""Calls of scripts after which an agent has registered, claimed, renewed, and only waits."""
USUAL = {"lease_seconds": 30.0, "renew_seconds": 5.0, "grace_seconds": 2.0, "kill_seconds": 5.0}


def prove(options: Options) -> Proof:
    """Watch a real agent do nothing, then send heartbeats by the thousand, of an idle agent and of a busy one."""
    seconds = max(6.0, WATCHED_SECONDS * options.scale)
    sent = sent_while_idle(seconds)
    rate = sent.total() / seconds
    beats, rounds = options.count(HEARTBEATS, least=100), options.count(ROUNDS, least=3)
    idle, busy = ([heartbeat_us(runs, beats) for _ in range(rounds)] for runs in (0, BUSY_RUNS))
    return Proof(
        met=rate < 1.0 and min(idle) <= 50.0,
        measured=f"{rate:.2f} commands/s; heartbeat {min(idle):.0f} us at best, {median(idle):.0f} us in the median "
        f"round; with {BUSY_RUNS} leases to renew {min(busy):.0f} and {median(busy):.0f} us",
        occurred={"heartbeats": 2 * rounds * beats, **dict(sent.most_common())},
    )


def sent_while_idle(seconds: float) -> Counter[str]:
    """The commands that an agent with nothing to do sends in so long, by name."""
    server = RedisServer(append_only=True).start()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(server, Path(folder))
        try:
            site.agent(limit=4, **USUAL)
            client = server.client()
            wait_until(lambda: sent_so_far(client)["evalsha"] > STARTED, 20.0, every=0.5)
            before = sent_so_far(client)
            threading.Event().wait(seconds)  # what is measured is what happens while nothing does
            sent = sent_so_far(client) - before
            sent["info"] -= 1  # ours
            return +sent
        finally:
            site.close()
            server.close()


def sent_so_far(client: redis_py.Redis) -> Counter[str]:
    """The commands that clients have sent, by name: INFO counts those inside scripts too, whose names are left out."""
    lua = (path.read_text() for folder in LUA_FOLDERS for path in folder.iterdir())
    scripted = {name.lower() for text in lua for name in re.findall(r"(?:call|mirror)\('([A-Z]+)'", text)}
    stats: Any = client.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): int(found["calls"]) for name, found in stats.items()}
    return Counter({name: count for name, count in calls.items() if name not in scripted})


def heartbeat_us(runs: int, count: int) -> float:
    """Microseconds of Redis per heartbeat of an agent that holds so many runs, on a server that has seen it before."""
    server = RedisServer(append_only=True).start()
    try:
        floor = Floor(Scripts(server.client()))
        register(Presence(floor.scripts))
        claims = [floor.start(f"r{number}") for number in range(runs)]
        held = [Held(run_id=one.run_id, token=one.token, claim_id=one.claim_id, confirmed=True) for one in claims]
        agent = floor.agent()
        for _ in range(50):
            agent.renew(held, state="running", info={"instance": "one"})
        floor.redis.config_resetstat()
        for _ in range(count):
            agent.renew(held, state="running", info={"instance": "one"})
        stats: Any = floor.redis.info("commandstats")["cmdstat_evalsha"]
        assert stats["calls"] == count
        return float(stats["usec_per_call"])
    finally:
        server.close()
