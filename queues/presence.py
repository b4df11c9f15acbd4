"""Which agents there are: taking a name, leaving it, being listed, and being asked to drain or stop.

Heartbeats come with the renewals of `queues.claims`. An agent that is silent for longer than `silent_seconds` (lease
and grace) has lost its runs, and its name may be taken. A name held by a process that is known to be dead may be taken
at once, with its runs: the caller looks whether the holder of a Clash `is_gone()`, ends what that left behind, and
registers again with `takeover`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from queues import events, schemas
from queues.clock import seconds_to_us
from queues.errors import InvalidName, InvalidValue, NewerSchema, UnknownAgent
from queues.identity import ProcessIdentity
from queues.keys import SCHEDULER, checked_name
from queues.records import whole
from queues.scripts import Scripts

RQ_TTL_SECONDS = 90
"""How long rq tools show an agent that fell silent."""
MOST_RUNS = 10_000
"""The highest limit an agent may have."""
Request = Literal["drain", "stop"]


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The name is ours; `released` are the runs of the dead holder before, in line again or ended by their policy."""

    released: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Clash:
    """The name belongs to somebody: `instance` is what `takeover` takes once `holder.is_gone()`."""

    name: str
    instance: str
    holder: ProcessIdentity
    seen_us: int


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An agent as others see it. `state` is what it says of itself, or `lost` when it has been silent for too long."""

    name: str
    instance: str
    identity: ProcessIdentity
    queues: tuple[str, ...]
    prefixes: tuple[str, ...]
    """It also serves every queue whose name begins so; `queues` has those that there were when it looked last."""
    labels: tuple[str, ...]
    limit: int
    running: int
    state: str
    request: str | None
    registered_us: int
    seen_us: int
    clock_us: int | None
    """What its own clock showed at `seen_us`; None from a version that does not say."""
    info: Mapping[str, str]

    @property
    def is_alive(self) -> bool:
        """Say whether it has been heard of lately."""
        return self.state != LOST


@dataclass(frozen=True, kw_only=True)
class Left:
    """The agent that left a work queue last, or was forgotten; `at_us` is when it was heard of."""

    name: str
    host: str
    at_us: int
    request: str | None
    """What an operator had asked it to do."""


LOST = "lost"
CLOCK = "clock"
"""What a heartbeat names the clock of its machine, in microseconds."""
PREPARING = "preparing"
"""What a heartbeat names all that an agent prepares before it can take the runs that need it; the text is its own."""
OWN_FIELDS = frozenset(
    ("instance", "host", "pid", "boot_id", "started", "queues", "limit", "running", "state", "request", "registered")
) | {"seen", "schema", "needs", "labels", "prefixes", CLOCK}


class Presence:
    """The agents of one installation."""

    def __init__(self, scripts: Scripts, *, silent_seconds: float = 32.0) -> None:
        self._scripts = scripts
        self._silent_us = seconds_to_us(silent_seconds)

    def register(
        self,
        name: str,
        queues: Sequence[str],
        *,
        limit: int,
        instance: str,
        identity: ProcessIdentity,
        takeover: str | None = None,
        info: Mapping[str, str | Sequence[str]] | None = None,
        rq_worker: Mapping[str, str] | None = None,
    ) -> Registered | Clash:
        """Take a name for this instance (any text that no other process uses); registering again is harmless.

        `takeover` is the instance of a dead holder: its runs go back into line at once, each with one loss counted.
        `info` is shown by listings, its `labels` and `prefixes` as what the agent has and serves; `rq_worker` is what
        `queues.rq_bridge` says for rq tools.
        """
        self._check(name, limit)
        reply = self._scripts.call(
            "register",
            agent=name,
            instance=instance,
            identity={
                "host": identity.host,
                "pid": identity.pid,
                "boot_id": identity.boot_id,
                "started": identity.started,
            },
            queues=list(dict.fromkeys(queues)),
            limit=limit,
            info={
                field: said if isinstance(said, str) else "\n".join(said)
                for field, said in (info or {}).items()
                if said
            },
            takeover=takeover,
            silent_us=self._silent_us,
            rq=dict(rq_worker or {"hostname": identity.host, "pid": str(identity.pid)}),
            rq_ttl=RQ_TTL_SECONDS,
        )
        if clash := reply.get("clash"):
            return Clash(
                name=name, instance=clash["instance"], holder=_identity(clash), seen_us=whole(clash.get("seen"))
            )
        released = tuple(reply["released"])
        events.registered(agent=name, queues=list(queues), released=len(released))
        return Registered(released=released)

    def unregister(self, name: str, instance: str, *, reason: str = "the agent ended") -> tuple[str, ...]:
        """Leave; runs still held go back into line without a loss, and are named. Harmless when done twice."""
        reply = self._scripts.call("unregister", agent=name, instance=instance, reason=reason)
        if reply["left"]:
            events.unregistered(agent=name, released=len(reply["released"]))
        return tuple(reply["released"])

    def all(self) -> list[Agent]:
        """List every agent that did not leave, by name; those that died are among them until they are forgotten."""
        names = self._scripts.ask(lambda client: client.zrange(self._scripts.keys.agents, 0, -1))
        return self._read(sorted(name.decode() for name in names))

    def get(self, name: str) -> Agent:
        """Give one agent; UnknownAgent with the nearest name."""
        found = self._read([name])
        if not found:
            raise self._unknown(name)
        return found[0]

    def holder(self, name: str) -> Clash | None:
        """Say who has a name, however long it has been silent; None when nobody has, or nobody can tell."""
        fields = ("instance", "host", "pid", "boot_id", "started", "seen")
        raw = self._scripts.ask(lambda client: client.hmget(self._scripts.keys.agent(name), fields))
        found = {field: value.decode("utf-8", "replace") for field, value in zip(fields, raw, strict=True) if value}
        if "instance" not in found or not found.get("pid", "").isdecimal():
            return None
        seen = found.get("seen", "")
        seen_us = int(seen) if seen.isdecimal() else 0
        return Clash(name=name, instance=found["instance"], holder=_identity(found), seen_us=seen_us)

    def held(self, name: str) -> list[str]:
        """Give the ids of the runs an agent holds."""
        runs = self._scripts.ask(lambda client: client.smembers(self._scripts.keys.agent_runs(name)))
        return sorted(run.decode() for run in runs)

    def last(self, queue: str) -> Left | None:
        """Say which agent listened to a work queue last, of those that are not listed any more."""
        key = self._scripts.keys.listened
        found = self._scripts.ask(lambda client: client.hget(key, queue)) or b""
        at, _, rest = found.decode("utf-8", "replace").partition(" ")
        name, _, rest = rest.partition(" ")
        request, _, host = rest.partition(" ")
        if not name:
            return None
        return Left(name=name, host=host, at_us=whole(at), request=None if request in ("-", "") else request)

    def request(self, name: str, request: Request, *, actor: str) -> None:
        """Ask an agent to `drain` (end when its runs have ended) or `stop`; UnknownAgent with the nearest name."""
        if not self._scripts.call("request", agent=name, request=request, actor=actor)["known"]:
            raise self._unknown(name)
        events.requested(agent=name, request=request, actor=actor)

    # -------------------------------------------------------------- reading
    def _read(self, names: Sequence[str]) -> list[Agent]:
        keys, now_us = self._scripts.keys, self._scripts.now_us()
        hashes = self._scripts.ask_many(lambda pipe: [pipe.hgetall(keys.agent(name)) for name in names])
        return [self._agent(name, found, now_us) for name, found in zip(names, hashes, strict=True) if found]

    def _agent(self, name: str, raw: Mapping[bytes, bytes], now_us: int) -> Agent:
        found = {field.decode(): value.decode("utf-8", "replace") for field, value in raw.items()}
        seen_us = whole(found.get("seen"))
        silent = now_us - seen_us >= self._silent_us
        return Agent(
            name=name,
            instance=found.get("instance", ""),
            identity=_identity(found),
            queues=tuple(found.get("queues", "").split()),
            prefixes=tuple(found.get("prefixes", "").split("\n")) if "prefixes" in found else (),
            labels=tuple(found.get("labels", "").split()),
            limit=whole(found.get("limit")),
            running=whole(found.get("running")),
            state=LOST if silent else found.get("state", ""),
            request=found.get("request"),
            registered_us=whole(found.get("registered")),
            seen_us=seen_us,
            clock_us=whole(found.get(CLOCK)) or None,
            info={field: value for field, value in found.items() if field not in OWN_FIELDS} | self._newer(name, found),
        )

    @staticmethod
    def _newer(name: str, found: Mapping[str, str]) -> dict[str, str]:
        try:
            schemas.refuse_newer(f"what agent {name} says", found, schemas.AGENT)
        except NewerSchema as newer:
            return {"problem": str(newer)}
        return {}

    def _unknown(self, name: str) -> UnknownAgent:
        names = [agent.name for agent in self.all()]
        return UnknownAgent(name, next(iter(get_close_matches(name, names, 1)), None))

    @staticmethod
    def _check(name: str, limit: int) -> None:
        if checked_name("agent", name) == SCHEDULER:
            raise InvalidName("agent", name)
        if not 1 <= limit <= MOST_RUNS:
            raise InvalidValue("the agent's limit", f"1 to {MOST_RUNS}", limit)


def _identity(found: Mapping[str, Any]) -> ProcessIdentity:
    return ProcessIdentity(
        host=found.get("host", ""),
        pid=whole(found.get("pid")),
        boot_id=found.get("boot_id", ""),
        started=found.get("started", ""),
    )
