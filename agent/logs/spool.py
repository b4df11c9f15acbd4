"""The way of lines out of the agent: its threads, put together from its options."""

import threading
from collections.abc import Callable
from typing import Any

from agent.joining import installation
from agent.logs.backlog import Backlog
from agent.logs.leavings import Leavings
from agent.logs.shipping import Shipping
from agent.logs.spool_disk import SpoolDisk
from agent.logs.spooling import Spooling
from agent.options import AgentOptions, host_name
from agent.retrying import Patience
from orchestrator.store.installation import Store

DAY = 86_400.0
LEAVE_SECONDS = 2.0


class Spool:
    """Writes lines to the disk and ships them; without a home or a quota they stay in memory until they are shipped."""

    def __init__(
        self, options: AgentOptions, agent: str, store: Store, *, post: Callable[[Any], None], patience: Patience
    ) -> None:
        quota = int(options.spool_mb * (1 << 20))
        disk = SpoolDisk(options.home, installation(options), agent, quota=quota) if options.home and quota else None
        rest = f"{host_name()}:{disk.kept_path}" if disk is not None else ""
        self._backlog = Backlog()
        self.spooling = Spooling(disk, self._backlog, post=post)
        self._shipping = Shipping(self._backlog, disk, store.logs, store.tasks, rest=rest, post=post, patience=patience)
        self.threads: list[threading.Thread] = [self.spooling, self._shipping]
        if disk is not None:
            keep_seconds = options.log_retention_days * DAY
            self.threads.append(Leavings(disk, store.logs, rest=rest, keep_seconds=keep_seconds, patience=patience))

    def leave(self) -> None:
        """Write everything that was put, ship what can be shipped in 2 s; the next agent ships the rest."""
        self.spooling.leave()
        self.spooling.join(LEAVE_SECONDS)
        self._backlog.leave()
        self._shipping.join(LEAVE_SECONDS)
