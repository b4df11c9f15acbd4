"""What stands in Redis: runs in the wrong place, keys that others touched or that grew, what had to be repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import Any

import redis

from orchestrator.client.doctor.server import size
from orchestrator.client.doctor.values import Counted, Finding, Note, Problem
from orchestrator.client.views import seconds_text
from orchestrator.errors import command, shown
from queues.audit import Misfit
from queues.clock import SECOND_US, from_us, to_us
from queues.errors import RedisRefused, ScriptFailed, WrongKeyType
from queues.key_types import wrong_keys
from queues.key_watch import KeyWatch
from queues.keys import DEFAULT_QUEUE, queue_of
from queues.records import whole
from queues.scripts import Scripts

PAGES, PAGE = 5, 1000
"""How many keys are looked at one by one, beside those on which everything depends."""
LINE = "waiting:"
LARGEST_OF_A_RUN = 16 << 20
LARGEST_KEY = 64 << 20
OF_A_RUN = ("run", "data", "logs", "tasks")
RECENT_US = 3600 * SECOND_US
"""What was counted within this time is a problem still, older counts are notes."""

LEAKED = "slots are taken by what no agent holds"
SENTENCES = {
    "orphan": "{place} has ids without a record",
    "unreadable": "{place} has ids whose record is something else",
    "bad": "records can not be relied on",
    "newer": "a newer version made runs, which are left alone here",
    "misplaced": "{place} has runs that belong elsewhere",
    "no_place": "runs wait and stand in no line",
    "no_lease": "runs hold slots without a lease",
    "no_slot": "runs are held without a slot",
}
KINDS = {
    "keys": ("keys_freed", "keys_gone", "keys_dropped"),
    "damage": ("bad_records", "repaired_bad_records", "repaired_unreadable"),
    "rq": ("repaired_mirrors", "repaired_rq_registries", "repaired_rq_jobs"),
    "returns": ("recoveries",),
    "schedules": ("repaired_cursors",),
    "usual": ("repaired_agents",),
}
"""What is counted, by what it speaks of; all else are runs that stood where they should not."""
WORDS = {
    "keys": ("keys of ours were removed, or were about to expire", "redis-cli CLIENT LIST"),
    "damage": ("records could not be relied on, and their runs were ended", "headgate flow-run ls --state FAILED"),
    "rq": ("lists that rq tools read were not as we keep them, and were written anew", "redis-cli CLIENT LIST"),
    "returns": ("Redis was away or lost its clock, and leases were held for a while", "redis-cli INFO server"),
    "schedules": ("schedules had lost their place, and went on from then", "headgate deployment ls"),
    "places": ("runs stood where they should not, and were put right", "redis-cli CLIENT LIST"),
}


@dataclass(frozen=True, kw_only=True)
class Keyspace:
    """What a look at keys found; `large` are (key, bytes), `strays` lines of queues that do not exist."""

    examined: int
    total: int
    wrong: Sequence[WrongKeyType]
    expiring: Sequence[str]
    large: Sequence[tuple[str, int]]
    strays: frozenset[str]


def keyspace(scripts: Scripts, watch: KeyWatch) -> Keyspace:
    """Look at the keys on which everything depends, and at some thousands of the others."""
    keys, cursor, scanned, pattern = watch.vital(), 0, 0, f"{scripts.prefix}:*".replace("[", "\\[")
    for _ in range(PAGES):
        cursor, page = scripts.ask(partial(redis.Redis.scan, cursor=cursor, match=pattern, count=PAGE))
        scanned += len(page)
        keys += [key.decode("utf-8", "replace") for key in page]
        if not cursor:
            break
    keys = list(dict.fromkeys(keys))
    wrong = scripts.ask(lambda client: wrong_keys(client, scripts.prefix, keys))
    strange = {one.key for one in wrong}
    names = [key.removeprefix(f"{scripts.prefix}:") for key in keys if key not in strange]
    return Keyspace(
        examined=scanned,
        total=scripts.ask(lambda client: client.dbsize()),
        wrong=wrong,
        expiring=watch.expiring(keys),
        large=_large(scripts, keys),
        strays=_strays(scripts, [queue_of(name.removeprefix(LINE)) for name in names if name.startswith(LINE)]),
    )


def _strays(scripts: Scripts, lined: Sequence[str]) -> frozenset[str]:
    """Queues that have a line and are none."""
    others = [name for name in lined if name != DEFAULT_QUEUE]
    try:
        known = scripts.ask_many(lambda pipe: [pipe.sismember(scripts.keys.queues, name) for name in others])
    except ScriptFailed:  # the set of queues is none: that is told as it is
        return frozenset()
    return frozenset(name for name, there in zip(others, known, strict=True) if not there)


def _large(scripts: Scripts, keys: Sequence[str]) -> list[tuple[str, int]]:
    try:
        sizes = scripts.ask_many(lambda pipe: [pipe.memory_usage(key) for key in keys])
    except RedisRefused:  # a user with narrow rights
        return []
    kinds = [key.removeprefix(f"{scripts.prefix}:").partition(":")[0] for key in keys]
    rows = zip(keys, kinds, sizes, strict=True)
    return [(key, size) for key, kind, size in rows if size and size >= _bound(kind)]


def _bound(kind: str) -> int:
    return LARGEST_OF_A_RUN if kind in OF_A_RUN else LARGEST_KEY


def counters(scripts: Scripts) -> list[Counted]:
    """What should not happen and did, by kind."""
    keys = scripts.keys

    def ask(pipe: Any) -> None:
        pipe.hgetall(keys.counters)
        pipe.hgetall(keys.counted)

    counts, times = scripts.ask_many(ask)
    return [
        Counted(what=kind.decode(), count=whole(count), last=from_us(whole(times[kind])) if kind in times else None)
        for kind, count in sorted(counts.items())
    ]


def placed(misfits: Iterable[Misfit], *, leads: bool) -> Iterator[Finding]:
    """What the audit found, a sentence for each kind and place; a scheduler that leads puts it right by itself."""
    groups: dict[tuple[str, str], list[Misfit]] = {}
    for misfit in misfits:
        place = misfit.place if misfit.kind in ("orphan", "unreadable", "misplaced") else ""
        groups.setdefault((misfit.kind, place), []).append(misfit)
    for (kind, place), found in groups.items():
        leaked = place.startswith("holders:")
        sentence = LEAKED if leaked else SENTENCES[kind].format(place=place)
        message = f"{sentence}: {_few([one.run_id for one in found])}"
        where = f"limit {place.removeprefix('holders:')}" if leaked else "runs"
        if kind == "newer":
            version = found[0].text or "a newer version"
            remedy = f"pip install 'headgate>={found[0].text}'" if found[0].text else "pip install --upgrade headgate"
            yield Problem(code="newer-runs", where=where, message=f"{message}; they need {version}", remedy=remedy)
            continue
        if found[0].text and kind in ("bad", "no_slot"):
            message += f" ({found[0].text})"
        message += "; repair does so within seconds" if leads else "; no scheduler runs that repairs it"
        remedy = "headgate doctor" if leads else "headgate scheduler start"
        code = "leaked-slots" if leaked else f"runs-{kind.replace('_', '-')}"
        yield Problem(code=code, where=where, message=message, remedy=remedy)


def _few(ids: Sequence[str]) -> str:
    names = list(dict.fromkeys(ids))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def keyed(found: Keyspace) -> Iterator[Finding]:
    """What the look at keys found."""
    for wrong in found.wrong:
        message = f"expected it to be a {wrong.expected}, got a {wrong.found}: what needs it stands still"
        remedy = f"redis-cli RENAME {quote(wrong.key)} {quote(f'{wrong.key}.foreign')}"
        yield Problem(code="wrong-type", where=f"key {wrong.key}", message=message, remedy=remedy)
    if found.expiring:
        key = min(found.expiring)
        others = f", and so are {len(found.expiring) - 1} others" if len(found.expiring) > 1 else ""
        message = f"it is to expire{others}, and would take runs with it; find who sets EXPIRE"
        remedy = f"redis-cli PERSIST {quote(key)}"
        yield Problem(code="expiring-keys", where=f"key {key}", message=message, remedy=remedy)
    for key, count in found.large:
        message = f"it takes {size(count)}, more than anything that we write"
        remedy = f"redis-cli MEMORY USAGE {quote(key)}"
        yield Problem(code="huge-key", where=f"key {key}", message=message, remedy=remedy)
    for queue in sorted(found.strays):
        message = f"runs wait on the work queue {shown(queue)}, which does not exist"
        remedy = command("work-queue", "create", queue)
        yield Problem(code="no-queue", where=f"work queue {queue}", message=message, remedy=remedy)


def counted(rows: Iterable[Counted], now_us: int) -> Iterator[Finding]:
    """What had to be repaired: a problem while it is recent, a note later."""
    of_kind = {kind: name for name, kinds in KINDS.items() for kind in kinds}
    sums: Counter[str] = Counter()
    last: dict[str, int] = {}
    for row in rows:
        name = of_kind.get(row.what, "places")
        sums[name] += row.count
        last[name] = max(last.get(name, 0), to_us(row.last) if row.last else 0)
    for name, (text, remedy) in WORDS.items():
        if not sums[name]:
            continue
        when = f", last {seconds_text(now_us - last[name])} ago" if last[name] else ""
        recent = now_us - last[name] < RECENT_US and name != "returns"
        kind = Problem if recent else Note
        message = f"{sums[name]} times {text}{when}" if sums[name] > 1 else f"once {text}{when}"
        yield kind(code=f"repaired-{name}", where="counters", message=message, remedy=remedy)
