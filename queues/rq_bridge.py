"""The seam to rq: the only place that imports it, and what rq's own tools expect of us.

rq reads its key prefix from the environment when it is imported; here it gets that of the installation, so that a stock
`rq info` with RQ_KEY_PREFIX={headgate}:rq sees our queues and agents. What agents take from rq's channels are two
commands: `shutdown` means drain, `stop-job` means cancel. No function name, import path or pickle is ever resolved.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from queues.identity import ProcessIdentity
from queues.keys import DEFAULT_PREFIX, Keys

LARGEST_COMMAND = 64 * 1024
PREFIX_VARIABLE = "RQ_KEY_PREFIX"


@dataclass(frozen=True)
class Drain:
    """rq's `shutdown`: take no further run, let those held end, then leave."""


@dataclass(frozen=True)
class Cancel:
    """rq's `stop-job`: end one run."""

    run_id: str


class RqBridge:
    """rq as an agent of one installation meets it; making one imports rq (about 20 ms and 3 MB)."""

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        self._keys = Keys(prefix)
        before = os.environ.get(PREFIX_VARIABLE)
        os.environ[PREFIX_VARIABLE] = self._keys.rq
        try:
            self._version = str(import_module("rq").__version__)
        finally:
            if before is None:
                del os.environ[PREFIX_VARIABLE]
            else:
                os.environ[PREFIX_VARIABLE] = before

    def worker(self, identity: ProcessIdentity, *, ip_address: str = "unknown") -> Mapping[str, str]:
        """What rq tools read of an agent as a worker; `queues.presence` adds times, state and queues."""
        return {
            "hostname": identity.host,
            "pid": str(identity.pid),
            "ip_address": ip_address,
            "version": self._version,
            "python_version": sys.version,
        }

    def command_channel(self, agent: str) -> str:
        """The channel on which rq tools send commands to a worker of that name."""
        return self._keys.rq_commands(agent)


def parse_command(payload: bytes) -> Drain | Cancel | None:
    """Read a command from rq's channel; None for commands that are not ours to obey, and for anything malformed."""
    if len(payload) > LARGEST_COMMAND:
        return None
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    match said:
        case {"command": "shutdown"}:
            return Drain()
        case {"command": "stop-job", "job_id": str(run_id)}:
            return Cancel(run_id)
        case _:
            return None
