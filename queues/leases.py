"""Expiry: one pass that takes runs from agents that stopped renewing."""

from dataclasses import dataclass

from queues import events
from queues.clock import seconds_to_us
from queues.scripts import Scripts


@dataclass(frozen=True, kw_only=True)
class Expired:
    """What a pass did. `hold_us`: nothing expires for so long, Redis has just returned; `more`: call again at once."""

    requeued: tuple[str, ...]
    crashed: tuple[str, ...]
    cancelled: tuple[str, ...]
    rejected: tuple[str, ...]
    hold_us: int
    more: bool

    @property
    def count(self) -> int:
        """Count the leases that ended."""
        return len(self.requeued) + len(self.crashed) + len(self.cancelled) + len(self.rejected)


class Leases:
    """Ends leases whose deadline passed longer ago than `grace_seconds`: within it the owner kills what it runs."""

    def __init__(self, scripts: Scripts, *, grace_seconds: float = 2.0, lease_seconds: float = 30.0) -> None:
        self._scripts = scripts
        self._grace_us = seconds_to_us(grace_seconds)
        self._lease_us = seconds_to_us(lease_seconds)

    def expire_once(self, limit: int = 100, *, fresh_seconds: float | None = None) -> Expired:
        """Put up to `limit` runs of lost agents back into line with a new token, or end them by their policy.

        With `fresh_seconds` nothing is done unless a scheduler's beat is no older (see `queues.recovery`).
        """
        fresh_us = None if fresh_seconds is None else seconds_to_us(fresh_seconds)
        reply = self._scripts.call(
            "expire", limit=limit, grace_us=self._grace_us, lease_us=self._lease_us, fresh_us=fresh_us
        )
        expired = Expired(
            requeued=tuple(reply["requeued"]),
            crashed=tuple(reply["crashed"]),
            cancelled=tuple(reply["cancelled"]),
            rejected=tuple(reply["rejected"]),
            hold_us=reply["hold_us"],
            more=reply["more"],
        )
        if expired.count:
            events.expired(
                requeued=len(expired.requeued),
                crashed=len(expired.crashed),
                cancelled=len(expired.cancelled),
                rejected=len(expired.rejected),
            )
        return expired
