"""Finding and killing processes without ever hitting a stranger: a process is its number and the moment it started."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from agent.kernel import children_of

STATE, PARENT, GROUP, SESSION, STARTED = 0, 1, 2, 3, 19
"""Places in /proc/<pid>/stat, counted from the field after the name."""


class Process(NamedTuple):
    """A process that can not be mistaken for a later one with the same number."""

    pid: int
    started: int
    """Clock ticks between the boot of the machine and the start of the process."""


class Facts(NamedTuple):
    """What the kernel says about a process."""

    process: Process
    parent: int
    group: int
    session: int
    dead: bool
    """Ended, and waiting for its parent to ask how."""


def facts(pid: int | str) -> Facts | None:
    """Ask the kernel about a process; None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name may hold spaces and brackets: the last one ends it.
    head, _, tail = text.rpartition(b")")
    fields = tail.split()
    process = Process(int(head.split(b" ", 1)[0]), int(fields[STARTED]))
    dead = fields[STATE] in (b"Z", b"X")
    return Facts(process, int(fields[PARENT]), int(fields[GROUP]), int(fields[SESSION]), dead)


def this_process() -> Process:
    """The identity of the calling process."""
    found = facts("self")
    if found is None:
        raise OSError("expected /proc to be mounted, found no /proc/self/stat: an agent needs it")
    return found.process


def is_alive(process: Process) -> bool:
    """Say whether this very process still runs."""
    found = facts(process.pid)
    return found is not None and found.process == process and not found.dead


def descendants(pid: int) -> Iterator[Process]:
    """Every living process below one, parents first."""
    for child in children_of(pid):
        found = facts(child)
        if found is not None and not found.dead:
            yield found.process
            yield from descendants(child)


def all_processes() -> Iterator[int]:
    """The numbers of all processes that this one can see."""
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit():
                yield int(entry.name)


def environment_value(pid: int, name: str) -> str | None:
    """The value a variable had when the process was started; None when unset, unreadable, or the process is gone."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return None
    start = name.encode() + b"="
    for variable in variables:
        if variable.startswith(start):
            return os.fsdecode(variable[len(start) :])
    return None


def send(process: Process, number: int = signal.SIGKILL) -> bool:
    """Send a signal to this very process; false when it is gone or may not be touched."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        # The handle holds the number: what has the right start time now keeps it until the signal is sent.
        found = facts(process.pid)
        if found is None or found.process != process or found.dead:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def send_group(group: int, number: int) -> None:
    """Send a signal to a process group whose leader has not been reaped yet, so that the number is still its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def kill_all(processes: Iterable[Process]) -> int:
    """SIGKILL to each; answer how many were still there."""
    return sum(send(process) for process in processes)


def pid_namespace() -> str:
    """Which numbering of processes this one lives in: numbers of another container mean nothing here."""
    return Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
