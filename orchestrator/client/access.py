"""What all verbs of the client share: the store, who is acting, and the time of Redis."""

import getpass
import os
import re
import socket
from collections.abc import Sequence
from datetime import datetime

from orchestrator.client.scenes import listed
from orchestrator.client.values import FlowRun
from orchestrator.errors import Invalid, expected
from orchestrator.store import Store
from queues.clock import seconds_to_us, to_us
from queues.errors import UnknownRun
from queues.records import Run


class Access:
    """The base of the client's groups of verbs."""

    home: str | None = None
    """The folder of this machine where Headgate keeps its own data, which is no code of anybody's."""

    def __init__(self, store: Store, *, actor: str | None = None, late_seconds: float = 15.0) -> None:
        self.store = store
        self.actor = one_word(actor or this_person())
        self._late_us = seconds_to_us(late_seconds)

    def _now_us(self) -> int:
        return self.store.scripts.now_us()

    def _listed(self, runs: Sequence[Run]) -> list[FlowRun]:
        return listed(self.store, runs, self._late_us)

    def _shown(self, run_id: str) -> FlowRun:
        run = self.store.records.get(run_id)
        if run is None:
            raise UnknownRun(run_id)
        return self._listed([run])[0]


def moment_us(field: str, moment: datetime) -> int:
    """A time in microseconds; raises Invalid for one without a zone, which would mean another hour elsewhere."""
    if moment.tzinfo is None:
        raise Invalid(expected(field, "a time with a zone", moment), field=field, hint="add tzinfo=timezone.utc")
    return to_us(moment)


def this_person() -> str:
    """Who acts: user@host, as far as the system knows."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose uid has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def one_word(text: str) -> str:
    """An actor as histories hold it: at most 64 characters without spaces."""
    return re.sub(r"\s+", "-", text.strip())[:64] or "unknown"
