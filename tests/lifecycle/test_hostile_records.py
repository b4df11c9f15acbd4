"""A real agent among records that something else wrote: it lives, stays small, and runs what is sound."""

import json

import msgpack
import psutil
import pytest

from orchestrator.keys import StoreKeys
from queues.states import State
from tests.lifecycle.worksite import Site
from tests.support.waiting import wait_until

OK = """
from orchestrator import flow
@flow
def main(x=0):
    note("ran", x)
"""
DEEP = 1001
PAYLOADS = {
    "cut off": b'{"x": 1',
    "bytes behind the end": b'{"x": 1} {"x": 2}',
    "an extension": msgpack.packb(msgpack.ExtType(5, b"x")),
    "not a number": b'{"x": NaN}',
    "infinite": b'{"x": 1e400}',
    "a name twice": b'{"x": 1, "x": 2}',
    "too deep": b'{"x": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "ten million empty maps": b"\x80" * 10_000_000,
    "ten million empty lists": b"[" + b"[]," * 3_333_332 + b"[]]",
    "no UTF-8": b'{"x": "\xff\xfe"}',
    "no object": b"[1]",
}


@pytest.mark.slow
def test_hostile_parameters_fail_their_run_and_cost_the_agent_next_to_nothing(site: Site) -> None:
    site.deploy(OK)
    supervisor = psutil.Process(site.supervisor(site.agent(limit=4)))
    (warm,) = site.submit(1)
    site.until(warm, State.COMPLETED)
    before = supervisor.memory_info().rss
    redis, queue = site.store.scripts.redis, site.store.queues
    queue.pause("default", "a test")
    bad = dict(zip(site.submit(len(PAYLOADS)), PAYLOADS.items(), strict=True))
    for run_id, (_, payload) in bad.items():
        redis.hset(site.store.keys.data(run_id), "parameters", payload)
    (good,) = site.submit(parameters=[{"x": 7}])
    queue.resume("default", "a test")
    site.until(good, State.COMPLETED, within=20.0)
    for run_id, (what, _) in bad.items():
        run = site.until(run_id, State.FAILED)
        assert (run.state_name, run.reason[:10]) == ("BadRecord", "rejected: "), (what, run.reason)
    assert supervisor.memory_info().rss - before < 50 << 20
    assert site.notes("ran") == ["0", "7"]


@pytest.mark.slow
def test_a_spec_of_a_newer_version_waits_for_an_agent_that_reads_it_and_a_spoilt_one_fails(site: Site) -> None:
    site.deploy(OK)
    newer, spoilt = (site.deploy(name=name, function="main") for name in ("newer", "spoilt"))
    (waits,), (bad,), (good,) = (site.submit(name=name) for name in ("newer", "spoilt", "main"))
    redis, keys = site.store.scripts.redis, StoreKeys(site.store.keys.prefix)
    spec = json.loads(redis.hget(keys.specs(newer), "1")) | {"schema": 9, "needs": "0.9"}
    redis.hset(keys.specs(newer), "1", json.dumps(spec))
    redis.hset(keys.specs(spoilt), "1", "x" * 300_000)
    site.agent()
    site.until(good, State.COMPLETED)
    assert site.until(bad, State.FAILED).reason.startswith("rejected: its deployment's spec has 300000 bytes")
    wait_until(lambda: "needs headgate >= 0.9" in site.run(waits).reason, message=lambda: site.told(waits))
    assert site.run(waits).state in (State.QUEUED, State.PENDING) and site.run(waits).lost == 0
