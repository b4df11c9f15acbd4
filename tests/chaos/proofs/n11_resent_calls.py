"""Every script is executed, its answer is swallowed by a proxy, and the call is sent again: it has one effect."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping

import redis

from queues.connection import connect
from queues.errors import RedisFailure
from tests.chaos.links import SWALLOW
from tests.chaos.proof import Options, Proof
from tests.chaos.proxy import Proxy, proxied
from tests.chaos.resent_calls import READS, Stage, call_of, every_verb
from tests.support.redis_server import RedisServer

TARGET = "every script x executed, reply swallowed, sent again x 200: effects = 1"
TIMES = 200
DOOR = "n11"
MOVING = {
    "renew": (":leases", ":agents", ":agent:a1", ":rq:worker:a1", ":rq:execution"),
    "register": (":agents", ":agent:a1", ":rq:worker:a1"),
    "lead": (":recovery", ":scheduler"),
    "request": (":wake:a1",),
    "find_chunks": (":loose_chunks",),
    "put_chunks": (":loose_chunks",),
    "put_bundle": (":bundles",),
}
"""Keys that a verb writes each time it is sent: deadlines and heartbeats only move on, a wake-up is a hint."""


def prove(options: Options) -> Proof:
    """Send every verb again, so many times."""
    times = options.count(TIMES)
    verbs = [*every_verb(), "finish_to_retry"]
    occurred: Counter[str] = Counter()
    wrong: list[str] = []
    with RedisServer() as server, proxied(server.socket, options.seed) as proxy, server.client() as near:
        door = proxy.door(DOOR)
        for verb in verbs:
            far = connect(door.url)
            stage = Stage(near, far)
            for number in range(times):
                occurred.update(once(proxy, stage, verb, flush=number % 4 == 3, wrong=wrong))
            far.close()
    measured = (
        f"{len(verbs)} verbs, {occurred['replies swallowed']} replies swallowed: {len(wrong)} calls with two effects"
    )
    swallowed = len(verbs) * times
    met = not wrong and occurred["replies swallowed"] == swallowed
    return Proof(met=met, measured=measured + "".join(f"; {what}" for what in wrong[:5]), occurred=occurred)


def once(proxy: Proxy, stage: Stage, verb: str, *, flush: bool, wrong: list[str]) -> Counter[str]:
    """One call whose answer is lost; `flush`: the scripts are forgotten before it is sent again."""
    near = stage.near.scripts.redis
    call = call_of(stage, verb)
    stage.far.scripts.redis.ping()
    before, struck = contents(near), proxy.struck[SWALLOW]
    proxy.strike(DOOR, SWALLOW)
    with contextlib.suppress(RedisFailure, redis.ConnectionError):
        call()
    # A second connection in the client's pool was armed too, and must not lose the answers that are compared below.
    proxy.heal()
    swallowed = proxy.struck[SWALLOW] - struck
    changed, after = contents(near) != before, contents(near, verb)
    if flush:
        near.script_flush()
    answers = [call(), call()]
    if contents(near, verb) != after:
        wrong.append(f"{verb} had a second effect")
    if repr(answers[0]) != repr(answers[1]) and verb not in MOVING and verb not in READS:
        wrong.append(f"{verb} answered {answers[0]}, then {answers[1]}")
    if changed == (verb in READS):
        wrong.append(f"{verb} {'changed something' if changed else 'had no effect at all'}")
    return Counter(
        {"replies swallowed": swallowed, "scripts forgotten meanwhile": int(flush), "first effects": int(changed)}
    )


def contents(near: redis.Redis, verb: str = "") -> Mapping[str, bytes | None]:
    """Everything in Redis; for a verb, but for the keys that it writes each time."""
    keys = sorted(key.decode() for key in near.scan_iter(count=1000))
    kept = [key for key in keys if not any(part in key for part in MOVING.get(verb, ()))]
    pipe = near.pipeline(transaction=False)
    for key in kept:
        pipe.dump(key)
    return dict(zip(kept, pipe.execute(), strict=True))
