"""Which of several schedulers works: one leads for a few seconds at a time, the others stand by.

Leadership only saves work. Every write is right without it: runs are made once by their ids, cursors move by
compare-and-set, expiry and repair look at what is there. A deposed leader is refused by its epoch all the same.
"""

import os
import secrets
import socket
from dataclasses import dataclass
from typing import Any

from orchestrator.store import Store
from queues.clock import seconds_to_us
from queues.events import recovery_opened
from queues.recovery import WindowLength
from queues.scripts import Scripts

LEADS_SECONDS = 6.0
"""How long a leader that says nothing goes on leading; another takes over within 2 s of that."""

TAIL_SECONDS = 60.0
"""Data that are older than this process knew them by more than that were replaced: no crash loses so much."""

FOREVER = 1e9


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """Who leads, the time of Redis, and when something is to be done next (microseconds; None: nothing of the kind)."""

    leading: bool
    epoch: int
    now_us: int
    until_us: int
    next_due_us: int | None
    next_delayed_us: int | None
    next_deadline_us: int | None
    next_revert_us: int | None = None
    strange: str | None = None
    """Why the data in Redis are not those that this process knew; nothing may be done to them then."""

    def seconds_until(self, at_us: int | None) -> float:
        """How long until a time, 0 when it has come; very long when there is none."""
        return FOREVER if at_us is None else max(at_us - self.now_us, 0) / 1_000_000


class Leadership:
    """This process among the schedulers; `owner` is random, so that no two are taken for one.

    Its beat also watches over Redis itself: it opens the recovery window after a silence (see `queues.recovery`), and
    writes nothing to data other than those that this process knew: of another `installation` than was found at its
    start, or older than they were. Data that were replaced while no scheduler ran are taken as they are.
    """

    def __init__(
        self,
        store: Store,
        *,
        length: WindowLength | None = None,
        installation: str | None = None,
        leads_seconds: float = LEADS_SECONDS,
    ) -> None:
        self._scripts = store.own_scripts
        self._length = length or WindowLength()
        self._installation = installation
        self._ttl_us = seconds_to_us(leads_seconds)
        self._seen_us: int | None = None
        self.owner = secrets.token_hex(8)
        self._who = f"{os.getpid()} {socket.gethostname()}"

    def beat(self) -> Pulse:
        """Take or keep the leadership if nobody else has it."""
        return self._call(self._scripts, release=False)

    def resign(self, store: Store) -> None:
        """Give the leadership up, so that another takes over at once."""
        self._call(store.own_scripts, release=True)

    def _call(self, scripts: Scripts, *, release: bool) -> Pulse:
        reply: dict[str, Any] = scripts.call(
            "lead",
            owner=self.owner,
            who=self._who,
            ttl_us=self._ttl_us,
            release=release,
            lease_us=seconds_to_us(self._length.lease_seconds),
            grace_us=seconds_to_us(self._length.grace_seconds),
            installation=self._installation,
            seen=self._seen_us,
            tail_us=seconds_to_us(TAIL_SECONDS),
        )
        self._seen_us = reply.get("beat")
        if reply.get("window"):
            recovery_opened(reason=reply["window"])
        return Pulse(
            leading=reply["leading"],
            epoch=reply["epoch"],
            now_us=reply["now"],
            until_us=reply["until"],
            next_due_us=reply.get("next_due"),
            next_delayed_us=reply.get("next_delayed"),
            next_deadline_us=reply.get("next_deadline"),
            next_revert_us=reply.get("next_revert"),
            strange=reply.get("strange"),
        )
