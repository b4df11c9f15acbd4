"""Which type each key of ours must have, and finding the one that a stranger replaced by another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from queues.errors import WrongKeyType
from queues.keys import Keys

EXPECTED = {
    "queues": "set",
    "queue": "hash",
    "limits": "hash",
    "run": "hash",
    "data": "hash",
    "waiting": "zset",
    "parked": "zset",
    "parked_in": "set",
    "holders": "zset",
    "leases": "zset",
    "delayed": "zset",
    "runs": "zset",
    "group": "zset",
    "agents": "zset",
    "agent": "hash",
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
}
RQ_EXPECTED = {
    "queue": "list",
    "queues": "set",
    "job": "hash",
    "worker": "hash",
    "workers": "set",
    "failed": "zset",
    "wip": "zset",
    "finished": "zset",
    "deferred": "zset",
    "scheduled": "zset",
    "canceled": "zset",
    "ready": "zset",
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


def keys_in_play(keys: Keys, queues: Sequence[str], limits: Iterable[str], runs: Iterable[str] = ()) -> list[str]:
    """The keys whose types decide whether the scripts work: those of the installation, of queues, limits and runs."""
    found = [keys.queues, keys.limits, keys.leases, keys.delayed, keys.agents, keys.token, keys.events, keys.changes]
    found += [keys.recovery, keys.counters, keys.rq_queues]
    for queue in queues:
        found += [keys.queue(queue), keys.waiting(queue), keys.parked_limits(queue), keys.idle(queue)]
        found += [keys.rq_queue(queue), keys.holders(f"queue:{queue}")]
        found += [f"{keys.rq}:{name}:{queue}" for name in ("failed", "wip", "finished", "deferred", "scheduled")]
    for limit in limits:
        found += [keys.holders(limit), keys.parked_queues(limit), *(keys.parked(limit, queue) for queue in queues)]
    for run in runs:
        found += [keys.run(run), keys.data(run), keys.rq_job(run)]
    return found


def wrong_type(prefix: str, key: str, found: str) -> WrongKeyType | None:
    """The error for a key that has a type it must not have; None when all is well, or the key is not ours."""
    name = key.removeprefix(f"{prefix}:")
    expected = expected_type(name)
    if found == "none" or expected is None or found == expected:
        return None
    return WrongKeyType(key, expected, found)
