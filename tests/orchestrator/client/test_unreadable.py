"""What the client shows of records that can not be relied on: each says so, and no list fails for it."""

from __future__ import annotations

import pytest

from orchestrator.client import Client
from queues.errors import NewerSchema
from queues.runs import NewRun

IDS = [f"7f1c2f6e-0000-5000-8000-00000000000{number}" for number in range(4)]


@pytest.fixture
def spoilt(client: Client) -> Client:
    """Four runs: one sound, one of a newer version, two spoilt."""
    fields = {"name": "n", "flow": "f", "deployment": "d"}
    client.store.records.create([NewRun(id=run, queue="default", actor="a", fields=fields) for run in IDS])
    redis, keys = client.store.scripts.redis, client.store.keys
    redis.hset(keys.run(IDS[1]), mapping={"schema": "3", "needs": "0.9"})
    redis.hset(keys.run(IDS[2]), "state", "BANANA")
    redis.hset(keys.run(IDS[3]), "created", "soon")
    return client


def test_lists_show_them_beside_the_others_with_the_reason(spoilt: Client) -> None:
    shown = {run.id: (run.state_name, run.why) for run in spoilt.list_flow_runs()}
    assert set(shown) == set(IDS) and shown[IDS[0]][0] == "Queued"
    assert [shown[run][0] for run in IDS[1:]] == ["Unreadable"] * 3
    assert shown[IDS[1]][1] is not None and shown[IDS[1]][1].endswith("needs headgate >= 0.9")
    assert shown[IDS[2]][1] == "its state can not be read: 'BANANA'"


@pytest.mark.parametrize("run", IDS[1:])
def test_inspect_and_explain_say_it_first(spoilt: Client, run: str) -> None:
    assert spoilt.get_flow_run(run).state_name == "Unreadable"
    assert spoilt.explain(run).reasons[0].code == "unreadable"


def test_a_run_of_a_newer_version_is_not_cancelled_by_an_older_one(spoilt: Client) -> None:
    with pytest.raises(NewerSchema, match=r"needs headgate >= 0\.9"):
        spoilt.cancel(IDS[1])


def test_agents_and_queues_with_strange_numbers_are_listed(client: Client) -> None:
    redis, keys = client.store.scripts.redis, client.store.keys
    redis.hset(keys.agent("x"), mapping={"limit": "many", "seen": "now", "schema": "2", "needs": "0.9"})
    redis.zadd(keys.agents, {"x": 1})
    redis.hset(keys.queue("ml"), mapping={"priority": "high", "lease": "inf", "created": "once"})
    redis.sadd(keys.queues, "ml")
    assert [agent.name for agent in client.list_agents()] == ["x"]
    assert {queue.name: queue.priority for queue in client.list_work_queues()}["ml"] == 100
    assert "needs headgate >= 0.9" in client.store.presence.get("x").info["problem"]


TIMES = ["9" * 18, "9" * 19, "253402300799999999"]
"""Microseconds of no year that there is, and the last of all."""


@pytest.mark.parametrize("time", TIMES)
def test_times_that_no_calendar_has_stop_no_list(client: Client, time: str) -> None:
    (made,) = [NewRun(id=IDS[0], queue="default", actor="a", fields={"name": "n", "flow": "f", "deployment": "d"})]
    client.store.records.create([made])
    redis, keys = client.store.scripts.redis, client.store.keys
    redis.hset(keys.run(IDS[0]), mapping={"due": time, "ended": time, "h1": f"{time} QUEUED a", "exit_code": "\u00b2"})
    redis.hset(keys.agent("x"), mapping={"seen": time, "registered": time})
    redis.zadd(keys.agents, {"x": 1})
    redis.hset(keys.queue("default"), mapping={"created": time})
    redis.hset(keys.counted, "recoveries", time)
    redis.hset(keys.counters, "recoveries", 1)
    assert [run.id for run in client.list_flow_runs()] == [client.get_flow_run(IDS[0]).id]
    assert client.explain(IDS[0]).id == IDS[0] and client.get_agent("x").name == "x"
    assert client.get_work_queue("default").name == "default" and client.status().at and client.examine().counters


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300"])
def test_places_in_line_that_are_no_times_stop_no_list(client: Client, score: str) -> None:
    client.store.records.create(
        [NewRun(id=IDS[0], queue="default", actor="a", fields={"flow": "f", "deployment": "d"})]
    )
    redis, keys = client.store.scripts.redis, client.store.keys
    for key in (keys.waiting("default"), keys.delayed, keys.holders("queue:default"), keys.leases):
        redis.zadd(key, {IDS[0]: score})
    assert [run.run_id for run in client.preview_work_queue("default")] == [IDS[0]]
    assert [slot.run_id for slot in client.work_queue_slots("default").holders] == [IDS[0]]
    assert client.status().at and client.examine().runs_examined
