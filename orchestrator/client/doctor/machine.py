"""The machine that the doctor runs on: the disk of its home folder, what agents keep there, its embedded Redis."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from orchestrator.client.doctor.server import size
from orchestrator.client.doctor.values import ExaminedHome, Finding, Problem
from orchestrator.config import Settings
from queues.errors import HomeUnusable
from queues.redis_home import RedisHome, on_network
from queues.server_look import NEARLY

LEAST_FREE = 512 << 20
LEAST_PART, PLENTY = 0.05, 5 << 30


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What is known of it; sizes in bytes. `unusable` says why the home can not be written to."""

    home: Path
    embedded: bool
    free: int
    total: int
    spooled: int
    quota: int
    unusable: str | None
    guarded: bool
    shared_disk: bool


def look_at(settings: Settings) -> Machine:
    """Look at this machine; makes no folder and changes nothing."""
    home, embedded = settings.home, settings.redis_url is None
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    disk = shutil.disk_usage(there)
    usable = os.access(there, os.W_OK | os.X_OK) and there.is_dir()
    redis = RedisHome.under(home)
    return Machine(
        home=home,
        embedded=embedded,
        free=disk.free,
        total=disk.total,
        spooled=_bytes_below(home / "spool"),
        quota=int(settings.spool_mb * 1_000_000),
        unusable=None if usable else f"{there} is not a folder that this user may write to",
        guarded=not embedded or _has_guard(redis),
        shared_disk=embedded and on_network(redis.folder),
    )


def _bytes_below(folder: Path) -> int:
    """The bytes of all files below a folder, as far as this user may see them."""
    found = 0
    for place, _, names in os.walk(folder, onerror=lambda _: None):
        for name in names:
            try:
                found += Path(place, name).lstat().st_size
            except OSError:  # shipped meanwhile
                continue
    return found


def _has_guard(redis: RedisHome) -> bool:
    try:
        with redis.lock("guard") as guard:
            return not guard.take(shared=True)
    except HomeUnusable:
        return False


def findings(machine: Machine) -> Iterator[Finding]:
    """What is to be said of this machine."""
    where, home = f"home {machine.home}", quote(str(machine.home))
    if machine.unusable:
        message = f"{machine.unusable}: nothing that is kept there works"
        yield Problem(code="home", where=where, message=message, remedy=f"ls -ld {home}")
    if machine.free < LEAST_FREE or machine.free < min(LEAST_PART * machine.total, PLENTY):
        what = "its Redis and the lines of runs need it" if machine.embedded else "the lines of runs need it"
        message = f"{size(machine.free)} of {size(machine.total)} are free on its disk, and {what}"
        yield Problem(code="disk", where=where, message=message, remedy=f"df -h {home}")
    if machine.quota and machine.spooled >= NEARLY * machine.quota:
        message = f"{size(machine.spooled)} of lines wait there for Redis or are kept; its agents may use"
        message += f" {size(machine.quota)} each (HEADGATE_SPOOL_MB)"
        yield Problem(code="spool-full", where=where, message=message, remedy=f"du -sh {home}/spool/*/*")
    if not machine.guarded:
        message = "nobody guards its Redis, which will go on when its last user has gone"
        yield Problem(code="no-guard", where=where, message=message, remedy="headgate version")
    if machine.shared_disk:
        message = "its Redis keeps its data on a network file system, where a lock or an fsync may not hold"
        yield Problem(code="network-disk", where=where, message=message, remedy=f"df -hT {home}")


def examined(machine: Machine) -> ExaminedHome:
    """The home folder as shown."""
    return ExaminedHome(
        path=str(machine.home), free=machine.free, spooled=machine.spooled, embedded_redis=machine.embedded
    )
