"""A million entries in line, a huge value, a hot key: a claim costs what it costs on an empty queue."""

from __future__ import annotations

from typing import Any

import pytest

from queues.states import State
from tests.queues.floor import Floor
from tests.queues.test_corrupt_records import claim, ids

MILLION = 1_000_000


def claim_us(floor: Floor, count: int) -> float:
    """Microseconds of Redis per claim of one run."""
    floor.redis.config_resetstat()
    assert [len(floor.claim_ids(1)) for _ in range(count)] == [1] * count
    stats: Any = floor.redis.info("commandstats")["cmdstat_evalsha"]
    return float(stats["usec_per_call"])


@pytest.mark.slow
def test_a_claim_from_a_line_of_a_million_takes_no_longer(floor: Floor) -> None:
    floor.make(*[f"a{number:03}" for number in range(300)])
    claim_us(floor, 50)  # warm
    short = claim_us(floor, 100)
    due = floor.scripts.now_us() + 60_000_000
    for start in range(0, MILLION, 50_000):
        names = [f"z{number}" for number in range(start, start + 50_000)]
        floor.redis.zadd(floor.keys.waiting("default"), dict.fromkeys(names, due + start))
        floor.redis.rpush(floor.keys.rq_queue("default"), *names)
    assert floor.redis.zcard(floor.keys.waiting("default")) >= MILLION
    assert min(claim_us(floor, 50) for _ in range(3)) < 3 * short + 50


def cancel_us(floor: Floor, runs: list[str]) -> float:
    """Microseconds of Redis to cancel some runs."""
    floor.redis.config_resetstat()
    list(floor.runs.cancel_many(runs, actor="user:ann"))
    stats: Any = floor.redis.info("commandstats")
    return float(next(stats[name]["usec"] for name in ("cmdstat_evalsha", "cmdstat_eval") if name in stats))


def test_a_hundred_runs_leave_the_middle_of_a_long_line_as_fast_as_its_head(floor: Floor) -> None:
    now, line = floor.scripts.now_us(), floor.keys.waiting("default")
    for part, due in (("a", now - 10**9), ("z", now + 10**9)):
        names = [f"{part}{number}" for number in range(40_000)]
        if part == "z":
            middle = floor.make(*[f"m{number:03}" for number in range(90)])
        floor.redis.zadd(line, dict.fromkeys(names, due))
        floor.redis.rpush(floor.keys.rq_queue("default"), *sorted(names))
    in_the_middle = cancel_us(floor, middle)
    floor.redis.delete(line, floor.keys.rq_queue("default"))
    head = floor.make(*[f"h{number:03}" for number in range(90)])
    assert in_the_middle < 12 * cancel_us(floor, head) + 5000


def test_parameters_that_are_too_large_are_not_even_read(floor: Floor) -> None:
    floor.make("r1", "r2")
    floor.redis.hset(floor.keys.data("r1"), "parameters", b"x" * (32 << 20))
    sent = floor.redis.info("stats")["total_net_output_bytes"]
    assert ids(claim(floor)) == ["r2"]
    assert floor.redis.info("stats")["total_net_output_bytes"] - sent < 1 << 20
    run = floor.run("r1")
    assert (run.state, run.state_name) == (State.FAILED, "BadRecord")
    assert run.reason == "rejected: its parameters have 33554432 bytes, allowed are 1048576"


@pytest.mark.parametrize("field", ["x", "tags", "name"])
def test_a_huge_field_of_a_record_fails_its_run_and_is_dropped(floor: Floor, field: str) -> None:
    floor.make("r1", "r2")
    floor.redis.hset(floor.keys.run("r1"), field, b"x" * (4 << 20))
    assert ids(claim(floor)) == ["r2"]
    assert floor.run("r1").reason == f"rejected: its field {field} is too long"
    assert floor.redis.memory_usage(floor.keys.run("r1")) < 4096


def test_a_record_of_fifty_thousand_fields_fails_its_run(floor: Floor) -> None:
    floor.make("r1", "r2")
    floor.redis.hset(floor.keys.run("r1"), mapping={f"f{number}": "x" for number in range(50_000)})
    assert ids(claim(floor)) == ["r2"]
    assert floor.run("r1").reason == "rejected: it has too many fields"
    assert floor.redis.hlen(floor.keys.run("r1")) < 20
