"""What an agent is started with. How to start one:

    options = AgentOptions.from_settings(settings, queues=("ml",), limit=4, name="worker-7")
    subprocess.Popen(keeper_command(), env={**os.environ, **options.environment()})  # a child; or in this one's place:
    os.execve(sys.executable, keeper_command(), {**os.environ, **options.environment()})

The keeper ends with 0 after a drain, 2 for invalid options, 3 for an unknown queue, 4 for a name that is taken, 5 when
Redis can not be reached at the start. One SIGTERM or SIGINT drains, a second one stops. Descriptors that were made
inheritable (the lock on an embedded Redis) stay open in the keeper and reach no other process.
"""

import json
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from agent.errors import AgentInvalid
from orchestrator.config import Settings
from queues.errors import HeadgateQueueError
from queues.keys import checked_labels

OPTIONS_VARIABLE = "HEADGATE_AGENT_OPTIONS"
KEEPER = "import sys; sys.path.append({folder!r}); from agent.keeper import main; main()"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
PREFIX = re.compile(r"[a-z0-9._-]{0,128}")
MOST_RUNS = 1000


def keeper_command() -> list[str]:
    """The command line of a keeper; what it is to do stands in its environment.

    It needs the standard library and this package: -S keeps out what else an environment loads at its start.
    """
    folder = str(Path(__file__).absolute().parent.parent)
    return [sys.executable, "-S", "-P", "-c", KEEPER.format(folder=folder)]


@dataclass(frozen=True, kw_only=True)
class AgentOptions:
    """One agent. Durations are seconds; `limit` is how many runs it holds at once; `name` None makes it host-N."""

    redis_url: str
    queues: tuple[str, ...]
    limit: int
    name: str | None = None
    labels: tuple[str, ...] = ()
    """What it has: runs that require another label are left to others."""
    queue_prefixes: tuple[str, ...] = ()
    """It also serves every queue whose name begins so, those made later included."""
    health_host: str = "127.0.0.1"
    health_port: int | None = None
    """Where probes are answered (`agent.health`); None for nowhere."""
    prefix: str = "{headgate}"
    installation: str | None = None
    strict: bool = False
    lease_seconds: float = 30.0
    renew_seconds: float = 5.0
    grace_seconds: float = 2.0
    start_timeout_seconds: float = 60.0
    drain_seconds: float | None = None
    kill_seconds: float = 5.0
    outage_seconds: float = 120.0
    rq_commands: bool = True
    home: str = ""
    """Where lines of runs are spooled, in a folder of the agent's own; "" for nowhere."""
    spool_mb: float = 1024.0
    log_retention_days: float = 7.0
    code_cache_mb: float = 2048.0
    environment_seconds: float = 1800.0
    environment_cache_mb: float = 10240.0

    def __post_init__(self) -> None:
        if not self.queues and not self.queue_prefixes:
            raise AgentInvalid("expected at least one work queue, got none", field="queue")
        for prefix in self.queue_prefixes:
            if not PREFIX.fullmatch(prefix):
                raise AgentInvalid(f"expected the beginning of a queue's name, got {prefix[:80]!r}", field="match")
        try:
            object.__setattr__(self, "labels", checked_labels(self.labels))
        except HeadgateQueueError as error:
            raise AgentInvalid(str(error), field="label") from error
        for queue in self.queues:
            check_name("work queue", queue, "queue")
        if self.name is not None:
            check_name("agent's name", self.name, "name")
        if not 1 <= self.limit <= MOST_RUNS:
            raise AgentInvalid(f"expected the limit to be 1 to {MOST_RUNS}, got {self.limit}", field="limit")

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        queues: Sequence[str],
        limit: int | None = None,
        name: str | None = None,
        redis_url: str | None = None,
        **more: Any,
    ) -> Self:
        """Options from the settings; `redis_url` is that of an embedded Redis, `limit` None is the number of CPUs.

        `more` are options that no setting has: labels, queue_prefixes, health_host, health_port.
        """
        return cls(
            redis_url=redis_url or settings.redis_url or "",
            queues=tuple(dict.fromkeys(queues)),
            limit=limit or usable_cpus(),
            name=name,
            prefix=settings.prefix,
            installation=settings.installation,
            strict=settings.strict,
            lease_seconds=settings.lease_seconds,
            renew_seconds=settings.renew_seconds,
            grace_seconds=settings.grace_seconds,
            start_timeout_seconds=settings.start_timeout_seconds,
            drain_seconds=settings.drain_seconds,
            kill_seconds=settings.kill_seconds,
            outage_seconds=settings.outage_seconds,
            rq_commands=settings.rq_commands,
            home=str(settings.home),
            spool_mb=settings.spool_mb,
            log_retention_days=settings.log_retention_days,
            code_cache_mb=settings.code_cache_mb,
            environment_seconds=settings.environment_seconds,
            environment_cache_mb=settings.environment_cache_mb,
            **more,
        )

    def environment(self) -> dict[str, str]:
        """What a keeper reads from its environment, and hands to its supervisor unread."""
        return {OPTIONS_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read what `environment` wrote; AgentInvalid when this process was not started by a keeper."""
        text = environment.get(OPTIONS_VARIABLE)
        if not text:
            raise AgentInvalid(f"expected {OPTIONS_VARIABLE} to be set, found nothing", field="environment")
        return cls.of(json.loads(text))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Options of their fields, as they come out of JSON or over a socket."""
        return cls(**{**values, **{name: tuple(values[name]) for name in ("queues", "labels", "queue_prefixes")}})

    def names_to_try(self) -> list[str]:
        """The agent's name, or those it may choose from: host-1, host-2 …"""
        return [self.name] if self.name else [f"{host_name()}-{number}" for number in range(1, 100)]


def check_name(kind: str, name: str, field: str) -> None:
    """Raise AgentInvalid for what no queue and no agent may be called."""
    if not NAME.fullmatch(name):
        allowed = "1 to 128 of a-z 0-9 . _ - and to start with a letter or digit"
        raise AgentInvalid(f"expected the {kind} to be {allowed}, got {name[:80]!r}", field=field)


def usable_cpus() -> int:
    """How many CPUs this process may use."""
    return max(1, len(os.sched_getaffinity(0)))


def host_name() -> str:
    """The machine's short name, in letters that an agent's name may have."""
    short = socket.gethostname().split(".")[0].lower()
    return re.sub(r"[^a-z0-9_-]", "-", short).strip("-_")[:100] or "host"
