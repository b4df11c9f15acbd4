"""How long runs may go on without word from Redis; pure.

A lease counts from just before the call that extended it was sent. While a fresh connection shows that Redis is *away*
(refused, loading, read-only) nobody can claim, so every such failure extends it as an answer would, for as long as
`outage_seconds` allow. When the agent is *cut* off (time-outs), another one may see Redis: nothing is extended.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from agent.run_life import RunLife

KILL_MARGIN_SECONDS = 3.0
"""How long before the end of its lease a run's processes are killed."""

KILL_MARGIN_SHARE = 0.2
"""The same as a share of the lease, for short ones."""

RETRY_SECONDS = 0.5
RENEWALS_PER_LEASE = 3
"""How often the shortest lease is renewed at least: a work queue may have one that is shorter than the usual pauses."""


@dataclass(kw_only=True)
class LeaseClock:
    """When to renew, when to kill, and when the kernel is to."""

    renew_seconds: float
    outage_seconds: float
    in_flight: bool = False
    wanted_again: bool = False
    """Whether something happened since the renewal on its way was sent that only a later one can tell."""
    reachable: bool = True
    away_since: float | None = None
    due_at: float = math.inf
    """When the next renewal is to be sent, as far as that is known."""

    def answered(self, sent_at: float, runs: Iterable[RunLife]) -> bool:
        """Note an answered renewal of these runs; true when Redis was not reachable before."""
        back, self.reachable = not self.reachable, True
        self.in_flight, self.away_since = False, None
        extend(runs, sent_at)
        return back

    def send(self) -> bool:
        """Say whether a renewal may be sent now; one that is on its way is followed by another."""
        self.wanted_again = self.in_flight
        if self.in_flight:
            return False
        self.in_flight = True
        return True

    def failed(self, sent_at: float, *, away: bool, runs: Iterable[RunLife]) -> bool:
        """Note a failed renewal; `away` extends the leases of these runs. True when the outage has become too long."""
        self.in_flight, self.reachable = False, False
        if not away:
            self.away_since = None
            return False
        if self.away_since is None:
            self.away_since = sent_at
        if sent_at - self.away_since > self.outage_seconds:
            return True
        extend(runs, sent_at)
        return False

    def next_renewal(self, now: float, runs: Iterable[RunLife]) -> float:
        """When to renew next: soon after a failure, at once when something happened meanwhile."""
        pause = self.pause(runs)
        if not self.reachable:
            pause = min(RETRY_SECONDS, pause)
        elif self.wanted_again:
            pause = 0.0
        self.due_at = now + pause
        return self.due_at

    def sooner(self, now: float, runs: Iterable[RunLife]) -> float | None:
        """When to renew next because runs with shorter leases came; None when it stays as it is."""
        at = now + self.pause(runs)
        if self.in_flight or at >= self.due_at:
            return None
        self.due_at = at
        return at

    def pause(self, runs: Iterable[RunLife]) -> float:
        """How long to wait between two renewals."""
        return min([self.renew_seconds, *(run.order.lease_seconds / RENEWALS_PER_LEASE for run in runs)])


def extend(runs: Iterable[RunLife], sent_at: float) -> None:
    """Count the leases of these runs from a later moment."""
    for run in runs:
        run.lease_from = max(run.lease_from, sent_at)


def margin(lease_seconds: float) -> float:
    """How long before the end of a lease its run is killed."""
    return min(KILL_MARGIN_SECONDS, KILL_MARGIN_SHARE * lease_seconds)


def kill_at(run: RunLife) -> float:
    """When the processes of a run have to be killed unless its lease is extended."""
    return run.lease_from + run.order.lease_seconds - margin(run.order.lease_seconds)


def bound(runs: Iterable[RunLife]) -> list[RunLife]:
    """The runs whose processes must not outlive their lease."""
    return [run for run in runs if run.has_processes and not run.order.keep_when_cut]


def first_kill(runs: Iterable[RunLife]) -> float | None:
    """When the first of these runs has to be killed."""
    return min((kill_at(run) for run in runs), default=None)


def dead_man(runs: Iterable[RunLife]) -> float | None:
    """When the kernel is to kill this supervisor, and with it its runs: at the end of the first lease."""
    return min((run.lease_from + run.order.lease_seconds for run in runs), default=None)
