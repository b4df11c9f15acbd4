"""The client's verb that looks for what is wrong; what it needs is loaded when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.client.access import Access
from orchestrator.config import Settings

if TYPE_CHECKING:
    from orchestrator.client.doctor.values import Examination


class DoctorVerbs(Access):
    """What can be asked of an installation as a whole."""

    def examine(self, settings: Settings | None = None) -> Examination:
        """Look at Redis, at everybody at work, at what waits, and at this machine; changes nothing.

        `settings` (default: the environment's) say how long leases are and where the home folder is. Raises
        RedisUnreachable and RedisRefused like any verb: what can not be asked can not be examined.
        """
        from orchestrator.client.doctor.examination import examination

        return examination(self.store, settings or Settings.load(), self._late_us)
