"""The collector misses nothing, whatever happens to Redis; what it notes can be saved and read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis as redis_py

from queues.scripts import Scripts
from tests.chaos.history import Collector, History, ending, flow_line, flow_records
from tests.queues.floor import Floor
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until


def test_a_collector_reads_on_after_redis_was_killed(own_redis: RedisServer) -> None:
    history = History()
    collector = Collector(history, own_redis.client())
    floor = Floor(Scripts(own_redis.client()))
    floor.start("first")
    assert collector.collect() == 3
    floor.make("second")
    own_redis.kill()
    with pytest.raises(redis_py.RedisError):
        collector.collect()
    own_redis.start()
    floor.limits.set("tag:ml", 1, actor="ann")
    assert collector.collect() == 2
    assert [(move["run"], move["to"]) for move in history.of("move")][2:] == [
        ("first", "RUNNING"),
        ("second", "QUEUED"),
    ]
    assert history.of("change")[0]["new"] == "1"


def test_a_thread_collects_through_an_outage(own_redis: RedisServer) -> None:
    history = History()
    collector = Collector(history, own_redis.client()).start(every=0.01)
    floor = Floor(Scripts(own_redis.client()))
    floor.make("first")
    wait_until(lambda: len(history.of("move")) == 1)
    own_redis.restart()
    floor.make("second")
    collector.stop()
    assert [move["run"] for move in history.of("move")] == ["first", "second"]


def test_a_cut_names_the_last_entry_that_survived(own_redis: RedisServer) -> None:
    history = History()
    collector = Collector(history, own_redis.client())
    floor = Floor(Scripts(own_redis.client()))
    floor.make("kept")
    size = next((own_redis.folder / "appendonlydir").glob("*.incr.aof")).stat().st_size
    floor.make("undone")
    collector.collect()
    own_redis.kill()
    killed_at = time.time()
    file = next((own_redis.folder / "appendonlydir").glob("*.incr.aof"))
    file.write_bytes(file.read_bytes()[:size])
    own_redis.start()
    floor.make("later")
    assert collector.cut(killed_at) == history.of("move")[0]["id"]
    collector.collect()
    assert [move["run"] for move in history.of("move")] == ["kept", "undone", "later"]


def test_a_trimmed_stream_is_noticed(redis: redis_py.Redis, scripts: Scripts) -> None:
    floor, collector = Floor(scripts), Collector(History(), redis)
    floor.make("a")
    collector.collect()
    floor.make("b", "c")
    redis.xtrim("{headgate}:events", maxlen=1, approximate=False)
    with pytest.raises(AssertionError, match="begins with"):
        collector.collect()


def test_a_history_survives_its_file(tmp_path: Path) -> None:
    history = History()
    history.add("ack", verb="create", runs=["a"])
    history.fault("kill agent", pid=7)
    history.save(tmp_path / "history.jsonl")
    assert History.load(tmp_path / "history.jsonl").records == history.records


def test_flows_are_read_by_time_from_all_files(tmp_path: Path) -> None:
    (tmp_path / "b").write_text(flow_line("start", "r", 1, 7, 100))
    (tmp_path / "a").write_text(flow_line("stop", "r", 1, 0, 100))
    start, stop = flow_records(tmp_path)
    assert (start["what"], start["token"], stop["what"], stop["pid"]) == ("start", 7, "stop", 100)
    assert "token" not in stop


def test_the_end_shows_where_every_run_stands(redis: redis_py.Redis, scripts: Scripts) -> None:
    floor = Floor(scripts)
    floor.finish(floor.start("done"))
    floor.start("held")
    floor.limits.set("tag:ml", 1, actor="ann")
    floor.start("first", limits=("tag:ml",))
    floor.make("blocked", limits=("tag:ml",))
    floor.make("later", due_us=scripts.now_us() + 60_000_000)
    floor.claim()
    floor.make("waits")
    end = ending(redis)
    assert end["places"] == {
        "held": ["leases"],
        "first": ["leases"],
        "blocked": ["parked:tag:ml|default"],
        "later": ["delayed"],
        "waits": ["waiting:default"],
    }
    assert sorted(end["holders"]["queue:default"]) == ["first", "held"]
    assert end["runs"]["done"]["state"] == "COMPLETED"
