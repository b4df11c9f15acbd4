"""The processes of an installation under chaos: started as users start them, found again, ended by their numbers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.kernel import children_of
from agent.options import AgentOptions, keeper_command
from agent.process_tree import all_processes, environment_value, facts
from orchestrator.config import Settings
from tests.support.network_namespaces import Namespace
from tests.support.redis_server import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
MARK = "CHAOS_FOLDER"
"""What every process of a world carries in its environment: roles, flows, and what flows leave behind."""

SETTINGS = {
    "HEADGATE_LEASE_SECONDS": "1.5",
    "HEADGATE_RENEW_SECONDS": "0.3",
    "HEADGATE_GRACE_SECONDS": "0.5",
    "HEADGATE_KILL_SECONDS": "0.5",
    "HEADGATE_DRAIN_SECONDS": "1",
    "HEADGATE_START_TIMEOUT_SECONDS": "20",
    "NO_COLOR": "1",
}
LEASE, GRACE = 1.5, 0.5
STARTING = "starting"
STANDINGS = {"] started": STARTING, "] leads": "leading", "] stands_by": "standing by"}
"""What a scheduler says, and what it is then."""


@dataclass
class Role:
    """One agent or scheduler that is wanted to run: started again whenever it has ended, as a service manager does."""

    name: str
    kind: str
    """`agent` (a keeper with a supervisor below) or `scheduler` (one process)."""
    command: list[str]
    environment: dict[str, str]
    log: Path
    restart_at: float = 0.0
    """When it may be started again (monotonic); `nemesis` moves it to keep a machine down for a while."""
    wanted: bool = True
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    frozen: set[int] = field(default_factory=set)
    supervisor_deaths: int = 0
    began: float = 0.0
    _read: int = 0
    _standing: str = STARTING

    @property
    def is_up(self) -> bool:
        """Whether its first process runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The number of its first process: the keeper of an agent."""
        assert self.process is not None, f"{self.name} was never started"
        return self.process.pid

    def age(self) -> float:
        """Seconds since it was started, or since its supervisor was killed."""
        return time.monotonic() - self.began

    def supervisor(self) -> int | None:
        """The process below an agent's keeper that holds the connections to Redis; None while there is none."""
        for pid in children_of(self.pid) if self.is_up else ():
            with contextlib.suppress(OSError):
                if b"agent.process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    def keep_up(self) -> None:
        """Start it when it is not there and may be."""
        if self.is_up or not self.wanted or time.monotonic() < self.restart_at:
            return
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.starts, self.began, self.supervisor_deaths = self.starts + 1, time.monotonic(), 0
        self.standing()
        self._standing = STARTING
        self.frozen.clear()
        self.restart_at = time.monotonic() + 0.5  # one that ends at once is not started in a busy circle

    def send(self, number: int, *pids: int) -> None:
        """Send a signal to processes of this role; what is gone is gone."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def standing(self) -> str:
        """Whether a scheduler leads, as far as its own log says."""
        with open(self.log, "rb") as log:
            log.seek(self._read)
            fresh = log.read()
        self._read += len(fresh)
        for line in fresh.decode(errors="replace").splitlines():
            for words, standing in STANDINGS.items():
                self._standing = standing if words in line else self._standing
        return self._standing

    def thaw(self) -> None:
        """Let everything that was stopped go on."""
        self.send(signal.SIGCONT, *self.frozen)
        self.frozen.clear()


def environment_of(folder: Path, url: str, prefix: str, **more: str) -> dict[str, str]:
    """The environment of a role that reaches Redis at `url`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "RQ_", "PYTEST_"))}
    own = {"HEADGATE_HOME": str(folder / "home"), "HEADGATE_REDIS_URL": url, "HEADGATE_PREFIX": prefix}
    return {**kept, **SETTINGS, **own, "PYTHONPATH": str(ROOT), MARK: str(folder), **more}


def scheduler(name: str, folder: Path, url: str, prefix: str) -> Role:
    """A scheduler as `headgate scheduler start` starts it."""
    command = [sys.executable, "-m", "orchestrator", "scheduler", "start"]
    return Role(name, "scheduler", command, environment_of(folder, url, prefix), folder / f"{name}.log")


def agent(
    name: str, folder: Path, url: str, prefix: str, queues: tuple[str, ...], limit: int, inside: Namespace | None = None
) -> Role:
    """An agent as `headgate agent start` starts it; `inside` a network namespace, or beside everybody else."""
    environment = environment_of(folder, url, prefix)
    command = inside.command(keeper_command()) if inside else keeper_command()
    options = AgentOptions.from_settings(settings_of(environment), queues=queues, limit=limit, name=name)
    return Role(name, "agent", command, {**environment, **options.environment()}, folder / f"{name}.log")


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings that a role with this environment has."""
    return Settings.load({name: value for name, value in environment.items() if name.startswith("HEADGATE_")})


def marked(folder: Path, *, flows: bool = False) -> list[int]:
    """The living processes of a world, or only those of its flows and of what they left behind."""
    variable = "HEADGATE_RUN_ID" if flows else MARK
    there = [pid for pid in all_processes() if environment_value(pid, MARK) == str(folder)]
    there = [pid for pid in there if environment_value(pid, variable) is not None]
    return [pid for pid in there if (found := facts(pid)) is not None and not found.dead]


def end_all(roles: list[Role], folder: Path) -> None:
    """SIGKILL to every process of a world, those below the roles and those left behind."""
    for role in roles:
        role.wanted = False
        if role.is_up:
            role.send(signal.SIGKILL, role.pid)
    for _ in range(200):
        left = marked(folder)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            break
        time.sleep(0.02)
    for role in roles:
        if role.process is not None:
            role.process.wait(10)
