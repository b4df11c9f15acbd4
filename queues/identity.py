"""Which process is which: host, boot, pid and start time together, since a pid alone is given out again."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """One process for all time: `boot_id` names boot and pid namespace, `started` counts clock ticks since the boot."""

    host: str
    pid: int
    boot_id: str
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """Describe a process of this machine; `started` is empty when it is gone."""
        return cls(host=socket.gethostname(), pid=pid, boot_id=boot_id(), started=start_time(pid))

    @classmethod
    def here(cls) -> ProcessIdentity:
        """Describe this process."""
        return cls.of(os.getpid())

    def is_gone(self) -> bool:
        """Say whether this process is known to have ended: this machine had it, and has it no more.

        One of another machine, or of another container whose pids this one can not see, is never known to be gone.
        """
        if self.host != socket.gethostname() or not self.boot_id:
            return False
        boot, _, namespace = self.boot_id.partition("/")
        here_boot, _, here_namespace = boot_id().partition("/")
        if boot != here_boot:
            return True
        return namespace == here_namespace and start_time(self.pid) != self.started


def boot_id() -> str:
    """Name this boot of this machine, and the pid namespace; empty where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 (the target is a name, not a path)
    except OSError:
        return ""


def start_time(pid: int) -> str:
    """When a process of this machine started, in clock ticks since boot; empty when it is gone or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()  # the name before the last ) may hold anything
    return "" if state in ("Z", "X") else rest[18]
