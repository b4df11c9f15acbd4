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
        """Say whether this process is known to have ended: this machine had it since it booted, and has it no more.

        One of another machine, of another container whose pids this one can not see, or of another boot is never known
        to be gone: a cloned machine has the host name and every file of the living original.
        """
        return self.is_of_this_boot() and start_time(self.pid) != self.started

    def is_of_this_boot(self) -> bool:
        """Say whether this machine, since it booted, and this container can see the process as long as it lives."""
        return bool(self.boot_id) and (self.host, self.boot_id) == (socket.gethostname(), boot_id())

    def may_be_from_here(self) -> bool:
        """Say whether an earlier boot or container of this machine, or another one of its name, had the process."""
        return self.host == socket.gethostname() and not self.is_of_this_boot()


def this_boot() -> str:
    """The kernel's name for this boot of the machine; OSError where there is no /proc."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def boot_id() -> str:
    """Name this boot of this machine, and the pid namespace; empty where there is no /proc."""
    try:
        return f"{this_boot()}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 (the target is a name, not a path)
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
