"""Taking runs back from agents that were lost, and putting right what does not fit together."""

from orchestrator.scheduler import events
from queues.errors import WrongKeyType
from queues.leases import Leases
from queues.recovery import Recovery
from queues.repair import Repair

REPAIR_SECONDS = 1.0


class Rescue:
    """Two passes. Expiry looks at Redis when the earliest lease may have ended; repair goes by the clock."""

    def __init__(self, leases: Leases, recovery: Recovery, repair: Repair) -> None:
        self._leases = leases
        self._recovery = recovery
        self._repair = repair
        self._wrong: tuple[WrongKeyType, ...] = ()

    def expire(self) -> bool:
        """Take runs of lost agents back; says whether there were any.

        The clock of Redis is looked at first: after a jump no lease may be judged by it.
        """
        self._recovery.observe()
        return self._leases.expire_once().count > 0

    def repair(self) -> bool:
        """Bring records, lists and rq's mirror together again; says whether anything had to be repaired."""
        repaired = self._repair.repair_once()
        if repaired.count:
            events.repaired(counts={kind: count for kind, count in repaired.counts.items() if count})
        if repaired.wrong and repaired.wrong != self._wrong:
            events.wrong_keys(problems=[str(wrong) for wrong in repaired.wrong])
        self._wrong = repaired.wrong
        return repaired.count > 0
