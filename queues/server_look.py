"""One look at a server that answers: what it says of itself, and what of that Headgate can not rely on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import redis

from queues.errors import RedisRefused
from queues.outages import translated

CONFIGURED = ("save", "appendfsync", "maxclients", "min-replicas-to-write")
SKEW_SECONDS = 2.0
"""How far two clocks may lie apart before it is worth a word."""
NEARLY = 0.9
"""The part of a bound from which on it counts as nearly reached."""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """Something about a server that endangers runs: a sentence, and the command that changes it or tells more."""

    code: str
    text: str
    remedy: str
    fatal: bool = False
    """Whether processes refuse to start with it."""

    def __str__(self) -> str:
        return f"{self.text}: `{self.remedy}`"


@dataclass(frozen=True, kw_only=True)
class ServerLook:
    """What a server said: INFO, and the settings that it lets this user see (None: it does not)."""

    info: Mapping[str, Any]
    settings: Mapping[str, str | None]
    ahead_seconds: float
    """How far the clock of this machine is ahead of that of the server; negative when it is behind."""

    @property
    def persistence(self) -> str:
        """`aof (everysec)`, `aof (always)`, `aof (no)`, `rdb`, `none`, or `unknown` when the user may not ask."""
        save, sync = self.settings["save"], self.settings["appendfsync"]
        if self.info.get("aof_enabled"):
            return f"aof ({sync})" if sync else "aof"
        if save is None:
            return "unknown"
        return "rdb" if save else "none"

    @property
    def eviction_policy(self) -> str:
        """What it does when its memory is full."""
        return str(self.info.get("maxmemory_policy", "unknown"))

    def number(self, name: str) -> int:
        """A number of INFO, 0 when it is not there."""
        found = self.info.get(name, 0)
        return int(found) if isinstance(found, int | float) else 0

    def setting(self, name: str) -> int:
        """A setting that is a number, 0 when it can not be seen."""
        text = self.settings.get(name) or ""
        return int(text) if text.isdecimal() else 0


def look_at(client: redis.Redis, address: str) -> ServerLook:
    """Ask a server about itself; rights for CONFIG are not needed. Raises RedisUnreachable and RedisRefused."""
    with translated(address):
        info: dict[str, Any] = client.info("everything")
        settings = {name: setting(client, name) for name in CONFIGURED}
        return ServerLook(info=info, settings=settings, ahead_seconds=clock_ahead(client))


def setting(client: redis.Redis, name: str) -> str | None:
    """One setting of a server; None when this user may not see it."""
    try:
        return str(client.config_get(name).get(name, ""))
    except redis.ResponseError:  # managed servers refuse CONFIG
        return None
    except RedisRefused as refused:  # and so they do to a user with narrow rights
        if refused.code != "no_permission":
            raise
        return None


def clock_ahead(client: redis.Redis) -> float:
    """Measure how many seconds this machine's clock is ahead of the server's; the way there and back counts half."""
    before, began = time.time(), time.monotonic()
    seconds, micros = client.time()
    return before + (time.monotonic() - began) / 2 - (int(seconds) + int(micros) / 1_000_000)


def flaws(look: ServerLook, *, strict: bool = False) -> Iterator[Flaw]:
    """What endangers runs, worst first; `strict`: it must have everything on its disk before it answers."""
    yield from _eviction(look)
    yield from _persistence(look, strict=strict)
    yield from _clock(look)


def _eviction(look: ServerLook) -> Iterator[Flaw]:
    policy, remedy = look.eviction_policy, "redis-cli CONFIG SET maxmemory-policy noeviction"
    if policy.startswith("allkeys"):
        yield Flaw(code="eviction", text=f"its maxmemory-policy {policy} may drop runs", remedy=remedy, fatal=True)
    elif policy.startswith("volatile"):
        text = f"its maxmemory-policy {policy} may drop short-lived keys of ours"
        yield Flaw(code="eviction", text=text, remedy=remedy)


def _persistence(look: ServerLook, *, strict: bool) -> Iterator[Flaw]:
    if strict and look.settings["appendfsync"] is None:
        text = "HEADGATE_DURABILITY is strict, but CONFIG is denied: look yourself that appendfsync is always"
        yield Flaw(code="durability", text=text, remedy="redis-cli CONFIG GET appendfsync")
    wrong = {
        "none": ("it keeps nothing on disk: a restart loses every run", "appendonly yes"),
        "rdb": ("it only saves snapshots: a crash loses the runs since the last", "appendonly yes"),
        "aof (no)": ("it leaves it to the system when to write (appendfsync no)", "appendfsync everysec"),
    }
    if look.persistence in wrong:
        text, change = wrong[look.persistence]
        yield Flaw(code="persistence", text=text, remedy=f"redis-cli CONFIG SET {change}")
    if any(look.info.get(name, "ok") != "ok" for name in ("aof_last_write_status", "rdb_last_bgsave_status")):
        text = "it could not write its last data to its disk: free space there, and look at its log"
        yield Flaw(code="disk", text=text, remedy="redis-cli INFO persistence")


def _clock(look: ServerLook) -> Iterator[Flaw]:
    ahead = look.ahead_seconds
    if abs(ahead) > SKEW_SECONDS:
        how = f"{abs(ahead):.1f} s {'behind' if ahead > 0 else 'ahead of'}"
        text = f"its clock is {how} that of this machine; leases and schedules go by the clock of Redis"
        yield Flaw(code="clock", text=text, remedy="timedatectl set-ntp true")
