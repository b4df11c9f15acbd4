"""The control group of a supervisor (cgroup version 2): all that it starts is born in it, and one call ends all of it.

    <the agent's group>/headgate:<mark>/supervisor      the supervisor moves itself here at its start
    <the agent's group>/headgate:<mark>/run-<number>    a run with limits, where it may have them (`agent.runners`)

The mark is that of `agent.leftovers`: a restarted agent finds by name what its dead predecessors left, and touches
nothing else. Needs leave to make groups below the
agent's own: root, or a systemd unit with `Delegate=yes`. Without it process tree, marks and brands have to do.

Not one for every run: moving a process makes the kernel wait for all processors and hold up every fork meanwhile, 5 to
30 ms on an idle machine and more on a busy one. To be born in a group costs nothing.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

PREFIX = "headgate:"
SUPERVISOR = "supervisor"


class ControlGroup:
    """One group, by the path of its folder; all that lies below it belongs to it."""

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def below(self, name: str) -> "ControlGroup":
        """The group of this name under this one, made or not."""
        return ControlGroup(f"{self.path}/{name}")

    def make(self) -> None:
        """Make it, unless it is there; raises OSError."""
        with suppress(FileExistsError):
            os.mkdir(self.path)  # noqa: PTH102 (pathlib would be a sixth of the keeper)

    def take(self, pid: int) -> None:
        """Move a process into it, 0 the calling one; raises OSError."""
        self.set("cgroup.procs", str(pid))

    def hand_down(self, controllers: Sequence[str]) -> bool:
        """Let groups below it have these controllers; false where it has not all of them itself."""
        if not {*controllers} <= {*self.read("cgroup.controllers").decode().split()}:
            return False
        try:
            self.set("cgroup.subtree_control", " ".join(f"+{name}" for name in controllers))
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to all in it at once, also to what is just being forked."""
        # Gone already, or another user's: whoever asks looks afterwards whether it is empty.
        with suppress(OSError):
            self.set("cgroup.kill", "1")

    def is_populated(self) -> bool:
        """Whether a living process is in it or below."""
        return b"populated 1" in self.read("cgroup.events")

    def members(self) -> list[int]:
        """The living processes in it and below; those of another container have no number here and are left out."""
        found = [int(pid) for pid in self.read("cgroup.procs").split()]
        for inner in self._inner():
            found += inner.members()
        return [pid for pid in found if pid > 0]

    def remove(self) -> None:
        """Remove it and what is below, as far as it is empty."""
        for inner in self._inner():
            inner.remove()
        with suppress(OSError):
            os.rmdir(self.path)  # noqa: PTH106 (pathlib would be a sixth of the keeper)

    def _inner(self) -> "list[ControlGroup]":
        try:
            with os.scandir(self.path) as entries:
                return [ControlGroup(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def read(self, name: str) -> bytes:
        """What one of its files says; nothing when it has none."""
        try:
            with open(f"{self.path}/{name}", "rb") as file:
                return file.read()
        except OSError:
            return b""

    def set(self, name: str, text: str) -> None:
        """Write into one of its files; raises OSError."""
        descriptor = os.open(f"{self.path}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def group_of(pid: int | str) -> ControlGroup | None:
    """The group that a process is in, also one that has ended and was not reaped; None where there is none to see."""
    where = mounted()
    lines = _lines(f"/proc/{pid}/cgroup")
    path = next((line[len("0::") :] for line in lines if line.startswith("0::")), None)
    if where is None or path is None:
        return None
    root, folder = where
    # What lies outside of what is mounted here, in another container for instance, can not be named.
    inside = path == root or path.startswith(root.rstrip("/") + "/")
    if not inside or "/.." in path:
        return None
    return ControlGroup((folder + path[len(root.rstrip("/")) :]).rstrip("/"))


def enter(name: str) -> ControlGroup | None:
    """Move this process into a new group of this name below its own; None where that is not permitted."""
    around = group_of("self")
    if around is None:
        return None
    whole = around.below(name)
    home = whole.below(SUPERVISOR)
    try:
        whole.make()
        home.make()
        if not os.access(f"{whole.path}/cgroup.kill", os.W_OK):
            raise FileNotFoundError("the kernel is older than 5.14")
        home.take(0)
    except OSError:
        whole.remove()
        return None
    return whole


def group_of_supervisor(pid: int) -> ControlGroup | None:
    """The group with a supervisor and all its runs; None when this process had made none."""
    own = group_of(pid)
    if own is None or own.name != SUPERVISOR:
        return None
    whole = ControlGroup(own.path.rpartition("/")[0])
    return whole if whole.name.startswith(PREFIX) and f":{pid}." in whole.name else None


def all_groups() -> Iterator[ControlGroup]:
    """Every group of supervisors that this machine, or this container, has."""
    where = mounted()
    if where is None:
        return
    for folder, names, _ in os.walk(where[1]):
        yield from (ControlGroup(f"{folder}/{name}") for name in names if name.startswith(PREFIX))


def mounted() -> tuple[str, str] | None:
    """What of the hierarchy is mounted, and where; alone or beside version 1."""
    for line in _lines("/proc/self/mountinfo"):
        facts, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            root, folder = facts.split()[3:5]
            return root, folder
    return None


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []
