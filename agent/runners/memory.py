"""How often the kernel has killed for want of memory in the control group that the agent and its runs live in."""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class OomCounter:
    """Tells whether an OOM kill was counted since it was last asked."""

    def __init__(self, cgroups: Path = Path("/proc/self/cgroup"), root: Path = ROOT) -> None:
        self._file = counter_file(cgroups, root)
        self._seen = self._read()

    def new_kills(self) -> int:
        """OOM kills since the last call; 0 where the kernel does not tell."""
        before, self._seen = self._seen, self._read()
        return max(0, self._seen - before)

    def _read(self) -> int:
        if self._file is None:
            return 0
        try:
            lines = self._file.read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def counter_file(cgroups: Path, root: Path) -> Path | None:
    """The file that counts, of cgroup version 2 or 1; None when neither is there."""
    try:
        lines = cgroups.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            folder, name = root, "memory.events"
        elif "memory" in controllers.split(","):
            folder, name = root / "memory", "memory.oom_control"
        else:
            continue
        # A group without the controller is counted in the nearest one around it that has it.
        inner = folder / group.lstrip("/")
        for candidate in (inner, *inner.parents):
            if candidate.is_relative_to(folder) and (candidate / name).is_file():
                return candidate / name
    return None
