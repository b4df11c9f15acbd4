"""Which type each key of ours must have, and finding the one that a stranger replaced by another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import redis

from queues.errors import WrongKeyType
from queues.keys import Keys, queue_limit, queue_of
from queues.states import State

REGISTRIES = ("failed", "wip", "finished", "deferred", "scheduled", "canceled", "ready")

EXPECTED = {
    "queues": "set",
    "queue": "hash",
    "limits": "hash",
    "reverts": "zset",
    "reverts_to": "hash",
    "run": "hash",
    "data": "hash",
    "lines": "set",
    "waiting": "zset",
    "parked": "zset",
    "parked_in": "set",
    "holders": "zset",
    "leases": "zset",
    "delayed": "zset",
    "runs": "zset",
    "group": "zset",
    "parts": "hash",
    "group_numbers": "hash",
    "group_names": "hash",
    "ends": "hash",
    "agents": "zset",
    "agent": "hash",
    "listened": "hash",
    "agentruns": "set",
    "idle": "zset",
    "idling": "string",
    "wake": "list",
    "request": "string",
    "token": "string",
    "events": "stream",
    "changes": "stream",
    "recovery": "hash",
    "counters": "hash",
    "counted": "hash",
}
RQ_EXPECTED = {
    "queue": "list",
    "queues": "set",
    "job": "hash",
    "worker": "hash",
    "workers": "set",
    **dict.fromkeys(REGISTRIES, "zset"),
}


def expected_type(name: str) -> str | None:
    """The type that a key must have, by its name behind the prefix; None for names that floor 0 does not use."""
    kind, _, rest = name.partition(":")
    if kind == "rq":
        kind, _, rest = rest.partition(":")
        # What stands behind another colon is rq's own affair: …:intermediate, …:executions, …:dependents.
        return None if ":" in rest else RQ_EXPECTED.get(kind)
    if kind == "parked" and "|" not in rest:
        return "set"
    return EXPECTED.get(kind)


def keys_in_play(
    keys: Keys, queues: Iterable[str] = (), limits: Iterable[str] = (), runs: Iterable[str] = ()
) -> list[str]:
    """The keys whose types decide whether the scripts work: those of the installation, of queues, limits and runs.

    `queues` may be lines of queues too.
    """
    queues = list(queues)
    found = [
        keys.queues,
        keys.limits,
        keys.reverts,
        keys.reverts_to,
        keys.leases,
        keys.delayed,
        keys.agents,
        keys.listened,
        keys.token,
        keys.events,
        keys.changes,
    ]
    found += [keys.recovery, keys.counters, keys.counted, keys.rq_queues, *(keys.state(state) for state in State)]
    for queue in queues:
        found += [keys.queue(queue_of(queue)), keys.waiting(queue), keys.parked_limits(queue), keys.idle(queue)]
        found += [keys.rq_queue(queue), keys.holders(queue_limit(queue_of(queue))), keys.lines(queue)]
        found += [f"{keys.rq}:{name}:{queue}" for name in REGISTRIES]
    for limit in limits:
        found += [keys.holders(limit), keys.parked_lines(limit), *(keys.parked(limit, queue) for queue in queues)]
    for run in runs:
        found += [keys.run(run), keys.data(run), keys.rq_job(run)]
    return found


def suspects(client: redis.Redis, keys: Keys, arguments: Mapping[str, Any]) -> list[str]:
    """The keys that a script may have met when it was called with these arguments."""
    queues = list(arguments.get("queues") or filter(None, [arguments.get("queue")]))
    queues = queues or _texts(client.smembers, keys.queues)
    queues += [line for queue in queues for line in _texts(client.smembers, keys.lines(queue))]
    limits = _texts(client.hkeys, keys.limits)
    runs = [run for run in [arguments.get("run"), *(arguments.get("runs") or [])] if isinstance(run, str)]
    for queue in queues:
        limits += _texts(client.smembers, keys.parked_limits(queue))
        runs += _texts(lambda key: client.zrange(key, 0, 9), keys.waiting(queue))
    return keys_in_play(keys, queues, dict.fromkeys(limits), runs)


def wrong_keys(client: redis.Redis, prefix: str, keys: Sequence[str]) -> list[WrongKeyType]:
    """Those of the keys that hold another type than ours."""
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.type(key)
    types = zip(keys, pipe.execute(), strict=True)
    return [wrong for key, found in types if (wrong := wrong_type(prefix, key, found.decode())) is not None]


def _texts(read: Callable[[str], Any], key: str) -> list[str]:
    try:
        return [member.decode("utf-8", "replace") for member in read(key)]
    except redis.ResponseError:
        return []  # this is one of those looked for


def wrong_type(prefix: str, key: str, found: str) -> WrongKeyType | None:
    """The error for a key that has a type it must not have; None when all is well, or the key is not ours."""
    name = key.removeprefix(f"{prefix}:")
    expected = expected_type(name)
    if found == "none" or expected is None or found == expected:
        return None
    return WrongKeyType(key, expected, found)
