"""What the examination says of a server and of a machine, from what these say of themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.client.doctor import machine, server
from orchestrator.client.doctor.examination import redis_cli, with_address
from orchestrator.client.doctor.values import Problem
from orchestrator.config import Settings
from queues.address import parse_url
from queues.errors import RedisUnreachable
from queues.redis_server import EmbeddedRedis
from queues.sentinel import Answer
from queues.server_look import ServerLook
from tests.support.redis_users import end_of_server

HEALTHY: dict[str, Any] = {
    "redis_version": "8.4.0",
    "role": "master",
    "aof_enabled": 1,
    "maxmemory": 0,
    "used_memory": 1 << 20,
    "maxmemory_policy": "noeviction",
    "uptime_in_seconds": 7200,
    "connected_clients": 12,
}
SETTINGS = {"save": "", "appendfsync": "everysec", "maxclients": "10000", "min-replicas-to-write": "0"}
MB = 1 << 20


def said(*, took_ms: float = 0.1, slow: Any = None, watchers: Any = (), ahead: float = 0.0, **info: Any) -> set[str]:
    """The codes of what is said of a server; `!` marks problems. Names with a dash are settings."""
    settings = SETTINGS | {name.replace("_", "-"): info.pop(name) for name in list(info) if name == MIN_REPLICAS}
    look = ServerLook(info=HEALTHY | info, settings=settings, ahead_seconds=ahead)
    found = server.findings(look, strict=False, took_ms=took_ms, slow=slow or {}, watchers=list(watchers))
    return {one.code + "!" * isinstance(one, Problem) for one in found}


MIN_REPLICAS = "min_replicas_to_write"
SILENT = Answer(failure=RedisUnreachable("s", "the connection was refused", code="refused", hint="start it"))
SEES = Answer(master=("10.0.0.1", 6379))


@pytest.mark.parametrize(
    ("scene", "codes"),
    [
        ({}, set()),
        ({"aof_enabled": 0}, {"persistence!"}),
        ({"maxmemory_policy": "allkeys-lru"}, {"eviction!"}),
        ({"maxmemory_policy": "volatile-ttl"}, {"eviction!"}),
        ({"aof_last_write_status": "err"}, {"disk!"}),
        ({"maxmemory": 100 * MB, "used_memory": 95 * MB}, {"memory!"}),
        ({"maxmemory": 100 * MB, "used_memory": 50 * MB}, set()),
        ({"evicted_keys": 3}, {"dropped!"}),
        ({"connected_clients": 9500}, {"clients!"}),
        ({"number_of_cached_scripts": 5000}, {"scripts"}),
        ({"took_ms": 250.0}, {"slow-network!"}),
        ({"aof_delayed_fsync": 3}, {"slow-disk"}),
        ({"aof_delayed_fsync": 100}, {"slow-disk!"}),
        ({"slow": {"fork": 900, "command": 20}}, {"slow-server"}),
        ({"ahead": 300.0}, {"clock!"}),
        ({"ahead": -1.0}, set()),
        ({MIN_REPLICAS: "1", "min_slaves_good_slaves": 0}, {"replicas!"}),
        ({"connected_slaves": 1, "slave0": {"ip": "10.0.0.2", "port": 6379, "state": "wait_bgsave"}}, {"replicas"}),
        ({"watchers": [("s1:1", SEES)] * 3, "connected_slaves": 1}, set()),
        ({"watchers": [("s1:1", SEES)] * 3}, {"replicas!"}),
        ({"watchers": [("s1:1", SEES), ("s2:2", SILENT), ("s3:3", SEES)], "connected_slaves": 1}, {"sentinel"}),
        ({"watchers": [("s1:1", SEES), ("s2:2", SILENT), ("s3:3", SILENT)], "connected_slaves": 1}, {"sentinel!"}),
        ({"watchers": [("s1:1", Answer(unknown=True))], "connected_slaves": 1}, {"sentinel!"}),
    ],
)
def test_a_server_is_judged_by_what_it_says(scene: dict[str, Any], codes: set[str]) -> None:
    assert said(**scene) == codes


@pytest.mark.parametrize(
    ("version", "url", "told"),
    [
        ("6.2.14", "redis://db", True),
        ("6.2.20", "redis://db", False),
        ("7.0.15", "redis://db", True),
        ("8.0.4", "redis://db", False),
        ("8.4.0", "redis://db", False),
        ("6.2.14", "unix:///run/r.sock", False),
    ],
)
def test_a_version_with_a_known_hole_is_named_where_others_may_log_in(version: str, url: str, told: bool) -> None:
    look = ServerLook(info=HEALTHY | {"redis_version": version}, settings=SETTINGS, ahead_seconds=0.0)
    assert bool(list(server.advisories(look, parse_url(url)))) is told


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("unix:///run/r.sock?db=3", "redis-cli -s /run/r.sock -n 3 PING"),
        ("redis://ann:s3cret@db.example:6380/2", "redis-cli -h db.example -p 6380 -n 2 PING"),
        ("rediss://db.example", "redis-cli -h db.example -p 6379 --tls PING"),
        ("redis+sentinel://s1,s2/m", "redis-cli -h 10.0.0.1 -p 6379 PING"),
    ],
)
def test_commands_for_redis_reach_this_redis_and_hold_no_password(url: str, command: str) -> None:
    watchers = [("s1", SEES)] if "sentinel" in url else []
    assert with_address("redis-cli PING", redis_cli(parse_url(url), watchers)) == command
    assert with_address("headgate doctor", "redis-cli -s x") == "headgate doctor"


def test_a_machine_is_judged_by_its_disk_and_its_home(tmp_path: Path) -> None:
    looked = machine.look_at(Settings.load({"HEADGATE_HOME": str(tmp_path), "HEADGATE_REDIS_URL": "unix:///s"}))
    healthy = replace(looked, free=80 << 30, total=100 << 30)
    scenes: dict[str, dict[str, Any]] = {
        "disk": {"free": 100 << 20},
        "spool-full": {"spooled": 980 * MB, "quota": 1000 * MB},
        "home": {"unusable": "it is not there"},
        "no-guard": {"guarded": False},
        "network-disk": {"shared_disk": True},
    }
    assert list(machine.findings(healthy)) == []
    for code, scene in scenes.items():
        assert [one.code for one in machine.findings(replace(healthy, **scene))] == [code]


def test_the_spool_and_the_guard_of_this_home_are_seen(tmp_path: Path) -> None:
    (tmp_path / "spool" / "i" / "agent").mkdir(parents=True)
    (tmp_path / "spool" / "i" / "agent" / "lines").write_bytes(b"x" * 1000)
    settings = Settings.load({"HEADGATE_HOME": str(tmp_path)})
    assert (machine.look_at(settings).spooled, machine.look_at(settings).guarded) == (1000, False)
    with EmbeddedRedis.acquire(tmp_path):
        assert machine.look_at(settings).guarded
    end_of_server(tmp_path)
