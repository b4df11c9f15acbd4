"""A whole Headgate of a test's own: private Redis with an append-only file, a home, the real commands as processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from tests.support.commands import ROOT, run_command
from tests.support.redis_server import RedisServer
from tests.support.roles import started
from tests.support.waiting import wait_until

FAST = {"HEADGATE_LEASE_SECONDS": "3", "HEADGATE_RENEW_SECONDS": "0.5", "HEADGATE_GRACE_SECONDS": "0.5"}
"""Leases short enough for a test to wait for: 3 s, renewed every 0.5 s."""


class Installation:
    """Starts roles, runs commands, and ends everything it started, by process id, in `close`."""

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hgi"))
        self.redis = RedisServer(append_only=True).start()
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "RQ_", "PYTEST_"))
        }
        self.environment |= {
            "HEADGATE_HOME": str(self.folder / "home"),
            "HEADGATE_REDIS_URL": self.redis.url,
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            **FAST,
            **(settings or {}),
        }
        self.roles: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---------------------------------------------------------------- commands
    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one `headgate` command to its end; a failure is an AssertionError that shows what it printed."""
        done = run_command(words, env=self.environment, cwd=self.folder)
        assert not check or done.returncode == 0, f"headgate {' '.join(words)}: {done.returncode}\n{done.stderr}"
        return done

    def json(self, *words: str) -> Any:
        """Run a command with `-o json` and decode what it printed."""
        return json.loads(self.run(*words, "-o", "json").stdout)

    def runs(self, *words: str) -> list[dict[str, Any]]:
        """List flow runs, all of them unless the words say otherwise."""
        return list(self.json("flow-run", "ls", "--limit", "1000", *words))

    def states(self) -> dict[str, int]:
        """Count the flow runs by state."""
        counts: dict[str, int] = {}
        for run in self.runs():
            counts[run["state"]] = counts.get(run["state"], 0) + 1
        return counts

    def deploy(self, text: str, *words: str, name: str = "flows.py") -> list[dict[str, Any]]:
        """Write a deployment file into this installation's folder and create what it declares."""
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return list(self.json("deployment", "create", str(path), *words))

    def log(self, run_id: str) -> list[str]:
        """The messages in a run's log, in order."""
        lines = self.run("flow-run", "logs", run_id, "-o", "jsonl").stdout.splitlines()
        return [json.loads(line)["message"] for line in lines]

    # ---------------------------------------------------------------- roles
    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a long-lived command; what it prints goes to `role-N.log` in the folder."""
        log = self.folder / f"role-{len(self.roles)}.log"
        role = started([sys.executable, "-m", "orchestrator", *words], environment=self.environment, log=log)
        self.roles.append(role)
        return role

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start a scheduler."""
        return self.start("scheduler", "start")

    def start_agent(self, name: str, *queues: str, limit: int = 4) -> subprocess.Popen[bytes]:
        """Start an agent on queues and return once it is registered."""
        words = [word for queue in queues for word in ("-q", queue)]
        role = self.start("agent", "start", *words, "--name", name, "--limit", str(limit))
        wait_until(lambda: self.has_agent(name), within=20, message=self.role_logs)
        return role

    def has_agent(self, name: str) -> bool:
        """Say whether an agent of the name is alive."""
        return any(agent["name"] == name and agent["state"] == "running" for agent in self.json("agent", "ls"))

    def role_logs(self) -> str:
        """What the roles printed last, for messages."""
        logs = sorted(self.folder.glob("role-*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)

    def family(self, role: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """The process of a role and all below it, the process itself first."""
        try:
            process = psutil.Process(role.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill_agent(self, role: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """kill -9 of keeper and supervisor, as when a machine dies; answers the processes that were below them."""
        family = self.family(role)
        supervisor = next(process for process in family[1:] if process.ppid() == role.pid)
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: neither sees the other one die
            for process in (family[0], supervisor):
                process.send_signal(number)
        role.wait(10)
        return [process for process in family[1:] if process.pid != supervisor.pid]

    def close(self) -> None:
        """Kill every role with its tree, and Redis; remove the folder."""
        families = [process for role in self.roles for process in self.family(role)]
        for process in families:
            kill(process)
        for role in self.roles:
            role.wait(10)
        self.redis.close()
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)


def kill(process: psutil.Process) -> None:
    """SIGKILL; a process that is gone already is fine."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those of the processes that still run; zombies are dead."""
    left = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process)
        except psutil.NoSuchProcess:
            continue
    return left
