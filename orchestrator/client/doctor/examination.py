"""The examination: asks Redis and this machine, changes nothing, and puts together what every part has to say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from shlex import quote

from orchestrator.client.doctor import fleet, machine, records, server, waiting
from orchestrator.client.doctor.questions import Questions
from orchestrator.client.doctor.values import Counted, Examination, ExaminedRedis, Finding, Problem
from orchestrator.config import Settings
from orchestrator.keys import KINDS
from orchestrator.store import Store
from queues import schemas
from queues.address import RedisAddress
from queues.key_watch import KeyWatch
from queues.sentinel import Answer
from queues.server_look import ServerLook, look_at

SCHEMAS = ("run", "queue", "agent", "answer", "deployment", "schedule", "log_batch", "task_run")


def examination(store: Store, settings: Settings, late_us: int) -> Examination:
    """Ask everything once, and judge it."""
    client = store.scripts.redis
    address: RedisAddress | None = getattr(client, "address", None)
    url = str(address or store.scripts.address)
    watchers, look = server.sentinels_of(address), look_at(client, url)
    took_ms, slow = store.scripts.ask(server.answer_ms), store.scripts.ask(server.slow_events)
    keys = records.keyspace(store.scripts, KeyWatch(store.scripts, kinds=KINDS))
    ask = Questions(store, wrong_types=bool(keys.wrong))
    at_work, lines = ask.fleet(settings.grace_seconds), ask.lines(late_us)
    audited = ask.audit(lines)
    counters: list[Counted] = ask.attempt("counters", lambda: records.counters(store.scripts), [])
    here = machine.look_at(settings)
    found = chain(
        server.findings(look, strict=settings.strict, took_ms=took_ms, slow=slow or {}, watchers=watchers),
        server.advisories(look, address),
        fleet.findings(at_work),
        waiting.findings(lines),
        records.placed(audited.found, leads=at_work.leader.leads),
        records.keyed(keys),
        records.counted(counters, at_work.now_us),
        machine.findings(here),
        ask.unanswered,
    )
    problems, notes = told(found, redis_cli(address, watchers))
    return Examination(
        healthy=not problems,
        problems=problems,
        notes=notes,
        persistence=look.persistence,
        eviction_policy=look.eviction_policy,
        redis=_redis(look, url, took_ms),
        scheduler=fleet.examined_scheduler(at_work.leader),
        agents=tuple(map(fleet.examined_agent, at_work.agents)),
        counters=tuple(counters),
        schemas={name: getattr(schemas, name.upper()) for name in SCHEMAS},
        home=machine.examined(here),
        runs_examined=audited.looked,
        keys_examined=keys.examined,
        keys=keys.total,
    )


def told(found: Iterable[Finding], command: str) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Problems and notes, with the words that reach this very Redis in the commands."""
    findings = [replace(one, remedy=with_address(one.remedy, command)) for one in found]
    problems = tuple(one for one in findings if isinstance(one, Problem))
    return problems, tuple(one for one in findings if not isinstance(one, Problem))


def with_address(remedy: str, command: str) -> str:
    """The remedy, when it is for Redis, with how to reach it."""
    words = remedy.removeprefix("redis-cli ")
    return remedy if words == remedy or words.startswith("-h ") else f"{command} {words}"


def redis_cli(address: RedisAddress | None, watchers: list[tuple[str, Answer]]) -> str:
    """How redis-cli reaches the server; its password belongs in REDISCLI_AUTH."""
    if address is None:
        return "redis-cli"
    if address.scheme == "unix":
        words = f"redis-cli -s {quote(address.path)}"
    else:
        place = (address.host, address.port)
        place = next((answer.master for _, answer in watchers if answer.master is not None), place)
        words = f"redis-cli -h {place[0]} -p {place[1]}" + (" --tls" if address.secure else "")
    return words + (f" -n {address.db}" if address.db else "")


def _redis(look: ServerLook, url: str, took_ms: float) -> ExaminedRedis:
    return ExaminedRedis(
        url=url,
        version=str(look.info.get("redis_version", "")),
        role=str(look.info.get("role", "")),
        up_seconds=look.number("uptime_in_seconds"),
        replicas=look.number("connected_slaves"),
        memory_used=look.number("used_memory"),
        memory_limit=look.number("maxmemory") or None,
        answer_ms=took_ms,
        ahead_seconds=round(look.ahead_seconds, 1),
    )
