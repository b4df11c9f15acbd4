"""Taking runs back from agents that were lost, and putting right what does not fit together."""

from orchestrator.scheduler import events
from queues.errors import WrongKeyType
from queues.key_watch import KeyWatch
from queues.leases import Leases
from queues.recovery import FRESH_SECONDS
from queues.repair import Repair

REPAIR_SECONDS = 1.0
WATCH_SECONDS = 60.0


class Rescue:
    """Three passes. Expiry looks at Redis when the earliest lease may have ended; the others go by the clock."""

    def __init__(self, leases: Leases, repair: Repair, keys: KeyWatch, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._leases = leases
        self._repair = repair
        self._keys = keys
        self._fresh_seconds = fresh_seconds
        self._wrong: tuple[WrongKeyType, ...] = ()

    def expire(self) -> bool:
        """Take runs of lost agents back; says whether there were any.

        Only right after a beat, which has seen whether Redis took writes all the time and whether its clock jumped.
        """
        return self._leases.expire_once(fresh_seconds=self._fresh_seconds).count > 0

    def repair(self) -> bool:
        """Bring records, lists and rq's mirror together again; says whether the time did not suffice for all."""
        repaired = self._repair.repair_once()
        if repaired.count:
            events.repaired(counts={kind: count for kind, count in repaired.counts.items() if count})
        if repaired.wrong and repaired.wrong != self._wrong:
            events.wrong_keys(problems=[str(wrong) for wrong in repaired.wrong])
        self._wrong = repaired.wrong
        return repaired.more

    def watch(self) -> None:
        """Look for keys that must not expire or be dropped, and tell what was found."""
        for problem in self._keys.look().problems:
            events.endangered(problem=problem)
