"""Which server is behind an address, and whether Headgate can rely on it: version, kind, eviction, persistence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from queues.errors import RedisRefused
from queues.server_look import flaws, look_at

MINIMUM_VERSION = (6, 2, 6)


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What a server says of itself on a new connection; `run_id` changes with every start of the server."""

    run_id: str
    version: str
    mode: str
    address: str = ""  # where it was met, without password

    @classmethod
    def parse(cls, info: bytes, address: str = "") -> ServerFacts:
        """Read the server section of INFO."""
        lines = (line.partition(":") for line in info.decode(errors="replace").splitlines() if ":" in line)
        facts = {name: value for name, _, value in lines}
        return cls(
            run_id=facts.get("run_id", ""),
            version=facts.get("redis_version", "0"),
            mode=facts.get("redis_mode", "standalone"),
            address=address,
        )

    def require(self, address: str) -> None:
        """RedisRefused unless this is a single server of a version that the scripts run on."""
        if self.mode == "sentinel":
            hint = "Write redis+sentinel://host:port,host:port/master-name, with all Sentinels; Redis listens on 6379."
            raise RedisRefused(address, "it is a Sentinel, which holds no data", code="sentinel", hint=hint)
        if self.mode == "cluster":
            hint = "Headgate needs a single server, not a cluster."
            raise RedisRefused(address, "it is a node of a Redis Cluster", code="cluster", hint=hint)
        if version_tuple(self.version) < MINIMUM_VERSION:
            wanted = ".".join(map(str, MINIMUM_VERSION))
            cause = f"it is version {self.version}; {wanted} or newer is needed"
            raise RedisRefused(address, cause, code="version", hint="Install a newer redis-server or valkey-server.")


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What a process asks of every server that it meets, beyond a version that works."""

    installation: str | None = None
    """The id that its data must have (HEADGATE_INSTALLATION); None takes any."""
    strict: bool = False
    """Whether what it acknowledged must be on disk by then (HEADGATE_DURABILITY=strict)."""

    def require_installation(self, address: str, found: str | None) -> None:
        """RedisRefused unless the data are those of the installation that is asked for."""
        if self.installation is None or found == self.installation:
            return
        cause = f"it holds the installation {found}" if found else "it holds no installation"
        cause += f", and HEADGATE_INSTALLATION is {self.installation}"
        hint = "Set HEADGATE_REDIS_URL to the right server; to take this one as it is, unset HEADGATE_INSTALLATION."
        raise RedisRefused(address, cause, code="installation", hint=hint)

    def require_durability(self, address: str, ask: Callable[..., Any]) -> None:
        """RedisRefused for a server that answers before it has written, if `strict`; CONFIG may be denied."""
        if not self.strict:
            return
        try:
            flat = ask("CONFIG", "GET", "append*")
        except redis.ResponseError:
            return  # `check_server` says that it could not be looked at
        found = {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}
        if found.get("appendonly") == "yes" and found.get("appendfsync") == "always":
            return
        cause = f"HEADGATE_DURABILITY is strict, and it has appendonly {found.get('appendonly')}, "
        cause += f"appendfsync {found.get('appendfsync')}"
        hint = "Set appendonly yes and appendfsync always in its configuration, or unset HEADGATE_DURABILITY."
        raise RedisRefused(address, cause, code="durability", hint=hint)


def version_tuple(text: str) -> tuple[int, ...]:
    """Read `6.2.14` as (6, 2, 14); parts that are no numbers end it."""
    numbers: list[int] = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """What `check_server` found; `problems` are sentences for people, each with what to do."""

    version: str
    run_id: str
    persistence: str
    eviction_policy: str
    problems: tuple[str, ...]


def check_server(client: redis.Redis, address: str, *, strict: bool = False) -> ServerState:
    """Look at a server once, at the start of a process; RedisRefused when it would lose runs or take no changes.

    A server without persistence works and is named among the problems, as is one that does not tell when it writes to
    its disk though `strict` asks for that, and one whose clock is not this machine's.
    """
    look = look_at(client, address)
    facts = ServerFacts(
        run_id=str(look.info.get("run_id", "")),
        version=str(look.info.get("redis_version", "0")),
        mode=str(look.info.get("redis_mode", "standalone")),
    )
    facts.require(address)
    if look.info.get("role") == "slave":
        hint = f"Give the address of the master: {look.info.get('master_host')}:{look.info.get('master_port')}."
        raise RedisRefused(address, "it is a replica and takes no changes", code="read_only", hint=hint)
    found = list(flaws(look, strict=strict))
    for flaw in found:
        if flaw.fatal:
            raise RedisRefused(address, flaw.text, code=flaw.code, hint="Set its maxmemory-policy to noeviction.")
    return ServerState(
        version=facts.version,
        run_id=facts.run_id,
        persistence=look.persistence,
        eviction_policy=look.eviction_policy,
        problems=tuple(f"Redis: {flaw}" for flaw in found),
    )
