"""Which scheduler leads, for those who look: what lua/lead.lua writes, read."""

from dataclasses import dataclass
from typing import Any

from orchestrator.keys import StoreKeys
from queues.records import whole
from queues.scripts import Scripts


@dataclass(frozen=True, kw_only=True)
class Leader:
    """The scheduler that leads, or led last; what a version that did not note it leaves open is None.

    `beat_us` is when a scheduler was at work last.
    """

    leads: bool
    host: str | None
    pid: int | None
    since_us: int | None
    beat_us: int | None


def read_leader(scripts: Scripts, keys: StoreKeys, now_us: int) -> Leader:
    """Read who leads at a time."""

    def ask(pipe: Any) -> None:
        pipe.hmget(keys.leader, "until", "epoch", "who")
        pipe.hget(keys.recovery, "beat")

    (until, epoch, who), beat = scripts.ask_many(ask)
    noted, since, pid, host = ((who or b"").decode("utf-8", "replace").split(" ", 3) + [""] * 4)[:4]
    known = epoch is not None and noted == epoch.decode("utf-8", "replace")
    return Leader(
        leads=whole(until) > now_us,
        host=host or None if known else None,
        pid=whole(pid) or None if known else None,
        since_us=whole(since) or None if known else None,
        beat_us=whole(beat) or None,
    )
