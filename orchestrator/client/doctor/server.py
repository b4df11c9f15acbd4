"""Redis as it says it is: what endangers runs, what is nearly full, what is slow, who watches over it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import redis

from orchestrator.client.doctor.values import Finding, Note, Problem
from orchestrator.client.views import seconds_text
from queues.address import RedisAddress, shown
from queues.clock import seconds_to_us
from queues.errors import RedisRefused
from queues.sentinel import Answer, Sentinels
from queues.server_look import NEARLY, ServerLook, flaws

ROUND_TRIPS = 5
SLOW_MS = 100.0
"""A round trip that takes longer costs every start of a run several times as much."""
SLOW_EVENT_MS = 500
DELAYED_PER_HOUR = 6
"""Writes an hour that waited for the disk for two seconds; more than that is a disk that does not keep up."""
MOST_SCRIPTS = 2_000
FIXED = ((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2))
"""The first releases without CVE-2025-49844; what is newer than all of them does not have it."""
SENTINEL_SECONDS = 0.5


def answer_ms(client: redis.Redis) -> float:
    """The shortest of a few round trips, in milliseconds."""
    took = []
    for _ in range(ROUND_TRIPS):
        began = time.monotonic()
        client.time()
        took.append(time.monotonic() - began)
    return round(min(took) * 1000, 2)


def slow_events(client: redis.Redis) -> dict[str, int] | None:
    """The longest waits inside the server by kind, in ms, as far as it watches them; None when it does not tell."""
    try:
        rows: list[Any] = client.latency_latest()
    except (redis.ResponseError, RedisRefused):
        return None
    return {row[0].decode(): int(row[3]) for row in rows}


def sentinels_of(address: RedisAddress | None) -> list[tuple[str, Answer]]:
    """What each Sentinel of the address says; nothing where there are none."""
    if address is None or not address.sentinels:
        return []
    asked = Sentinels(address)
    doors = [(shown(place), asked.door(place, SENTINEL_SECONDS)) for place in address.sentinels]
    return [(place, asked.ask(door, SENTINEL_SECONDS)) for place, door in doors]


def findings(
    look: ServerLook, *, strict: bool, took_ms: float, slow: dict[str, int], watchers: list[tuple[str, Answer]]
) -> Iterator[Finding]:
    """What is to be said of the server; `where` and the words before the command are put in by the caller."""
    yield from (_problem(flaw.code, flaw.text, flaw.remedy) for flaw in flaws(look, strict=strict))
    yield from _full(look)
    yield from _slow(look, took_ms, slow)
    yield from _copies(look, bool(watchers))
    yield from _watchers(watchers)


def _problem(code: str, message: str, remedy: str, kind: Callable[..., Finding] = Problem) -> Finding:
    return kind(code=code, where="Redis", message=message, remedy=remedy)


def _full(look: ServerLook) -> Iterator[Finding]:
    used, limit, dropped = look.number("used_memory"), look.number("maxmemory"), look.number("evicted_keys")
    if limit and used >= NEARLY * limit:
        text = f"it uses {used / limit:.0%} of the {size(limit)} of memory that it may have; full, it takes no new runs"
        yield _problem("memory", text, f"redis-cli CONFIG SET maxmemory {2 * limit}")
    if dropped:
        text = f"it dropped {dropped} keys for want of memory since its start, runs may be among them"
        yield _problem("dropped", text, "redis-cli CONFIG SET maxmemory-policy noeviction")
    clients, most = look.number("connected_clients"), look.setting("maxclients") or look.number("maxclients")
    if most and clients >= NEARLY * most:
        text = f"{clients} of the {most} clients that it lets in are connected; an agent needs five connections"
        yield _problem("clients", text, f"redis-cli CONFIG SET maxclients {2 * most}")
    scripts = look.number("number_of_cached_scripts")
    if scripts > MOST_SCRIPTS:
        text = f"it keeps {scripts} scripts in its memory, most of them of versions that are gone"
        yield _problem("scripts", text, "redis-cli SCRIPT FLUSH ASYNC", Note)


def _slow(look: ServerLook, took_ms: float, slow: dict[str, int]) -> Iterator[Finding]:
    if took_ms > SLOW_MS:
        text = (
            f"a round trip from this machine takes {took_ms:.0f} ms, so every start of a run takes several times that"
        )
        yield _problem("slow-network", text, "redis-cli --latency")
    delayed, hours = look.number("aof_delayed_fsync"), look.number("uptime_in_seconds") / 3600
    if delayed:
        up = seconds_text(seconds_to_us(look.number("uptime_in_seconds")))
        text = f"its disk made it wait {delayed} times in the {up} since its start (aof_delayed_fsync)"
        kind = Problem if delayed > DELAYED_PER_HOUR * max(hours, 1) else Note
        yield _problem("slow-disk", text, "redis-cli INFO persistence", kind)
    for event, longest in sorted(slow.items()):
        if longest >= SLOW_EVENT_MS:
            text = f"it stood still for {longest} ms at its longest ({event})"
            yield _problem("slow-server", text, f"redis-cli LATENCY HISTORY {event}", Note)


def _copies(look: ServerLook, watched: bool) -> Iterator[Finding]:
    needed = look.setting("min-replicas-to-write")
    good = look.number("min_slaves_good_slaves")
    if needed and good < needed:
        text = f"it takes changes only with {needed} replicas in step, and has {good}"
        yield _problem("replicas", text, "redis-cli INFO replication")
    elif watched and not look.number("connected_slaves"):
        text = "it is watched by Sentinels and has no replica: there is nothing to fail over to"
        yield _problem("replicas", text, "redis-cli INFO replication")
    for name, row in look.info.items():
        if name.startswith("slave") and isinstance(row, dict) and row.get("state") != "online":
            text = f"its replica {row.get('ip')}:{row.get('port')} is {row.get('state')}"
            yield _problem("replicas", text, "redis-cli INFO replication", Note)


def _watchers(watchers: list[tuple[str, Answer]]) -> Iterator[Finding]:
    silent = [(place, answer.failure) for place, answer in watchers if answer.failure is not None]
    for place, failure in silent:
        text = f"a Sentinel does not answer: {failure.cause}"
        enough = len(watchers) - len(silent) > len(watchers) / 2
        kind: Callable[..., Finding] = Note if enough else Problem
        yield kind(code="sentinel", where=f"Sentinel {place}", message=text, remedy=_sentinel_command(place, "PING"))
    for place, answer in watchers:
        if answer.unknown or answer.down:
            text = "it knows no master of that name" if answer.unknown else "it takes the master for down"
            remedy = _sentinel_command(place, "SENTINEL MASTERS")
            yield Problem(code="sentinel", where=f"Sentinel {place}", message=text, remedy=remedy)


def _sentinel_command(place: str, words: str) -> str:
    host, _, port = place.rpartition(":")
    return f"redis-cli -h {host.strip('[]')} -p {port} {words}"


def advisories(look: ServerLook, address: RedisAddress | None) -> Iterator[Finding]:
    """Known holes of the version, where others than this user may log in."""
    if address is None or address.scheme == "unix" or "valkey_version" in look.info:
        return
    version = tuple(int(part) for part in str(look.info.get("redis_version", "0")).split(".") if part.isdecimal())
    first = next((fixed for fixed in FIXED if fixed[:2] == version[:2]), max(FIXED))
    if version < first:
        text = f"version {'.'.join(map(str, version))} is from before the repair of CVE-2025-49844 (whoever may log in"
        text += " may take over its machine), unless your distribution brought it in"
        yield _problem("advisory", text, "redis-cli INFO server", Note)


def size(count: int) -> str:
    """Bytes for people: `12.3 MB`."""
    number, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while number >= 1000 and len(units) > 1:
        number, units = number / 1000, units[1:]
    return f"{number:.0f} {units[0]}" if units[0] == "bytes" else f"{number:.1f} {units[0]}"
