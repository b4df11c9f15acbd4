"""Work queues: named lines of runs with a limit, a pause switch, a priority and a lease."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from queues import events, schemas
from queues.clock import score_us, seconds_to_us
from queues.errors import AmbiguousQueue, InvalidValue, NewerSchema, QueueExists, UnknownQueue
from queues.keys import DEFAULT_QUEUE, checked_name, queue_id, queue_limit
from queues.limits import Limits, checked_limit
from queues.records import whole
from queues.scripts import Scripts

DEFAULT_PRIORITY = 100
VARIABLE = "env:"
"""What the fields of variables begin with."""

LATE_US = seconds_to_us(15)
"""A run is late when it has been due for longer than this and nobody has claimed it."""

ALIVE_US = seconds_to_us(30)
"""An agent counts as listening when it was heard of within this time."""


READ_AT_ONCE = 250
"""Work queues that one call reads: about 3 ms of Redis."""


@dataclass(frozen=True, kw_only=True)
class WorkQueue:
    """A work queue and what stands on it; `queued` includes parked runs, `late` is a part of `queued`.

    `limit_until_us` is set while the limit was changed for a time only, and `limit_then` is the one that comes back.
    `oldest_due_us` is the due time of the run that waits longest. `problem` says that a newer version wrote the queue,
    whose runs agents of this one leave alone.
    """

    id: str
    name: str
    concurrency_limit: int | None
    limit_until_us: int | None
    limit_then: int | None
    paused: bool
    priority: int
    lease_seconds: float | None
    on_disconnect: str
    description: str
    created_us: int
    queued: int
    running: int
    late: int
    agents: int
    oldest_due_us: int | None
    problem: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """The variables that its runs get."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A run in line; `parked` names the full limit it waits for, None when the next free agent may take it.

    `line` is that of its queue in which it stands: the queue's own, or one of labels that its agent must have.
    """

    run_id: str
    due_us: int
    parked: str | None
    line: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a queue: the labels that an agent must have to take from it, and the run that is next."""

    requires: tuple[str, ...]
    count: int
    first: Waiting


class WorkQueues:
    """Creates, changes and lists work queues; the queue `default` is always there."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._keys = scripts.keys
        self._limits = Limits(scripts)

    def create(
        self,
        name: str,
        *,
        limit: int | None = None,
        priority: int | None = None,
        lease: float | None = None,
        on_disconnect: str = "kill",
        description: str = "",
        actor: str = "",
    ) -> WorkQueue:
        """Make a work queue; `priority` 1 is served first, `lease` is in seconds. Raises QueueExists."""
        checked_name("work queue", name)
        if on_disconnect not in ("kill", "keep"):
            raise InvalidValue("on_disconnect", "'kill' or 'keep'", on_disconnect)
        settings = {
            "id": queue_id(name),
            "priority": str(checked_priority(DEFAULT_PRIORITY if priority is None else priority)),
            "lease": "" if lease is None else f"{checked_lease(lease):g}",
            "on_disconnect": on_disconnect,
            "description": description,
        }
        number = None if limit is None else checked_limit(limit)
        made = {"change": "create", "queue": name, "settings": settings, "limit": number, "actor": actor}
        if not self._scripts.call("set_queue", **made)["created"]:
            raise QueueExists(name)
        events.queue_changed(queue=name, change="create", actor=actor)
        return self.get(name)

    def get(self, wanted: str) -> WorkQueue:
        """Find a work queue by name, id, or the first characters of its id if only one has them."""
        names = self._names()
        if wanted in names:
            return self._read([wanted])[0]
        fitting = [name for name in names if wanted and queue_id(name).startswith(wanted.lower())]
        if len(fitting) > 1:
            raise AmbiguousQueue(wanted, fitting)
        if not fitting:
            raise UnknownQueue(wanted, next(iter(get_close_matches(wanted, names, n=1)), None))
        return self._read(fitting)[0]

    def all(self) -> list[WorkQueue]:
        """List all work queues by priority, then name."""
        return sorted(self._read(self._names()), key=lambda queue: (queue.priority, queue.name))

    def pause(self, name: str, actor: str) -> bool:
        """Stop new starts; runs that hold a slot go on. Gives whether that changed anything."""
        return self._change(name, {"paused": "1"}, actor)

    def resume(self, name: str, actor: str) -> bool:
        """Let runs start again, and wake agents for those that wait. Gives whether that changed anything."""
        return self._change(name, {"paused": "0"}, actor)

    def set_priority(self, name: str, priority: int, actor: str) -> bool:
        """Change the priority: 1 is served first."""
        return self._change(name, {"priority": str(checked_priority(priority))}, actor)

    def set_lease(self, name: str, seconds: float | None, actor: str) -> bool:
        """Change the lease of runs claimed or renewed from now on; None takes the agent's setting."""
        return self._change(name, {"lease": "" if seconds is None else f"{checked_lease(seconds):g}"}, actor)

    def change_environment(
        self, name: str, *, give: Mapping[str, str] | None = None, drop: Sequence[str] = (), actor: str
    ) -> tuple[str, ...]:
        """Give and drop variables of the runs that start from now on; answers the names of those that changed.

        Names and values are bytes for this floor: who calls has checked that a process can be given them.
        """
        queue = self.get(name).name
        wanted = {"set": dict(give or {}), "unset": list(drop)}
        reply = self._scripts.call("set_queue", change="env", queue=queue, settings={}, actor=actor, **wanted)
        names = tuple(sorted(reply["changed"] or ()))
        if names:
            events.queue_changed(queue=queue, change=f"env {' '.join(names)}", actor=actor)
        return names

    def set_limit(self, name: str, number: int | None, actor: str, *, lasts_seconds: float | None = None) -> int | None:
        """Change how many of its runs may be executing at once, for good or for a time; gives the number before.

        Raises UnknownQueue.
        """
        return self._limits.set(queue_limit(self.get(name).name), number, actor, lasts_seconds=lasts_seconds)

    def waiting(self, name: str, limit: int = 1000) -> list[Waiting]:
        """List the runs of a queue in the order of their due times, those parked under a full limit among them."""
        lines = self._lines(name)
        parked = self._scripts.ask_many(lambda pipe: [pipe.smembers(self._keys.parked_limits(line)) for line in lines])
        places: list[tuple[str, str | None]] = [(line, None) for line in lines]
        places += [(line, one.decode()) for line, limits in zip(lines, parked, strict=True) for one in sorted(limits)]

        def read(pipe: Any) -> None:
            for line, under in places:
                key = self._keys.waiting(line) if under is None else self._keys.parked(under, line)
                pipe.zrange(key, 0, limit - 1, withscores=True)

        runs = [
            Waiting(run_id=run.decode(), due_us=score_us(due), parked=under, line=line)
            for (line, under), part in zip(places, self._scripts.ask_many(read), strict=True)
            for run, due in part
        ]
        return sorted(runs, key=lambda run: (run.due_us, run.run_id))[:limit]

    def lines(self, name: str) -> list[Line]:
        """The lines of a queue in which something stands that is not parked; the queue's own first."""
        names = self._lines(name)

        def read(pipe: Any) -> None:
            for line in names:
                pipe.zcard(self._keys.waiting(line))
                pipe.zrange(self._keys.waiting(line), 0, 0, withscores=True)

        found = self._scripts.ask_many(read)
        return [
            Line(
                requires=tuple(line.split("+")[1:]),
                count=count,
                first=Waiting(
                    run_id=head[0][0].decode("utf-8", "replace"), due_us=score_us(head[0][1]), parked=None, line=line
                ),
            )
            for line, count, head in zip(names, found[::2], found[1::2], strict=True)
            if head
        ]

    def _lines(self, name: str) -> list[str]:
        return [name, *sorted(member.decode("utf-8", "replace") for member in self._members(self._keys.lines(name)))]

    def _change(self, name: str, settings: dict[str, str], actor: str) -> bool:
        reply = self._scripts.call("set_queue", change="set", queue=self.get(name).name, settings=settings, actor=actor)
        if reply["changed"]:
            change = ", ".join(f"{field}={value}" for field, value in settings.items())
            events.queue_changed(queue=name, change=change, actor=actor)
        return bool(reply["changed"])

    def _members(self, key: str) -> set[bytes]:
        members: set[bytes] = self._scripts.ask(lambda client: client.smembers(key))
        return members

    def _names(self) -> list[str]:
        return sorted({member.decode() for member in self._members(self._keys.queues)} | {DEFAULT_QUEUE})

    def _read(self, names: Sequence[str]) -> list[WorkQueue]:
        found: list[WorkQueue] = []
        for at in range(0, len(names), READ_AT_ONCE):
            part = list(names[at : at + READ_AT_ONCE])
            rows = self._scripts.call("read_queues", queues=part, late_us=LATE_US, alive_us=ALIVE_US)
            found += [work_queue(name, row) for name, row in zip(part, rows, strict=True)]
        return found


def work_queue(name: str, row: dict[str, Any]) -> WorkQueue:
    """Make the value of a row of the script read_queues; a `default` that was never written has its defaults."""
    settings = row["settings"] or {}
    return WorkQueue(
        id=queue_id(name),
        name=name,
        concurrency_limit=row.get("limit"),
        limit_until_us=None if row.get("limit_until") is None else score_us(row["limit_until"]),
        limit_then=row.get("limit_then"),
        paused=settings.get("paused") == "1",
        priority=whole(settings.get("priority"), DEFAULT_PRIORITY),
        lease_seconds=stored_lease(settings.get("lease", "")),
        on_disconnect=settings.get("on_disconnect") or "kill",
        description=settings.get("description", ""),
        created_us=whole(settings.get("created")),
        queued=row["queued"],
        running=row["running"],
        late=row["late"],
        agents=row["agents"],
        oldest_due_us=None if row.get("oldest") is None else score_us(row["oldest"]),
        problem=newer_problem(name, settings),
        environment=variables(settings),
    )


def variables(settings: Mapping[str, str]) -> dict[str, str]:
    """The variables of a queue, by name."""
    start = len(VARIABLE)
    return {name[start:]: value for name, value in sorted(settings.items()) if name.startswith(VARIABLE)}


def newer_problem(name: str, settings: Mapping[str, str]) -> str:
    """What keeps this version from working with a queue; empty when nothing does."""
    try:
        schemas.refuse_newer(f"the work queue {name}", settings, schemas.QUEUE)
    except NewerSchema as newer:
        return str(newer)
    return ""


def stored_lease(text: str) -> float | None:
    """The lease of a queue of its own; what is none counts for as little here as in the scripts."""
    try:
        return checked_lease(float(text))
    except (ValueError, InvalidValue):
        return None


def checked_priority(priority: int) -> int:
    """Give the priority back, or raise InvalidValue."""
    if not 1 <= priority <= 1000:
        raise InvalidValue("a priority", "1 (first) to 1000", priority)
    return priority


def checked_lease(seconds: float) -> float:
    """Give the lease back, or raise InvalidValue."""
    if not 1 <= seconds <= 3600:
        raise InvalidValue("a lease", "1 to 3600 seconds", seconds)
    return seconds
