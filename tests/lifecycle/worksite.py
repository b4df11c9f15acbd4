"""A place where real agents work: a Redis of the test's own, flows in a folder, agents started as the command does."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.control_group import ControlGroup, all_groups
from agent.kernel import children_of
from agent.leftovers import RUN_VARIABLE
from agent.options import AgentOptions, keeper_command
from agent.process_tree import all_processes, environment_value, facts
from orchestrator.deployments import deployment_id
from orchestrator.store.installation import Store
from orchestrator.store.runs import Wishes, new_run
from queues.leases import Leases
from queues.records import Run
from queues.states import State
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

FAST = {"lease_seconds": 1.5, "renew_seconds": 0.3, "grace_seconds": 0.3, "kill_seconds": 1.0}
"""Leases short enough for a test to wait for."""


class Site:
    """Deploys, submits, starts agents, looks at what became of it all; `close` kills every process by its number."""

    def __init__(self, redis: RedisServer, folder: Path) -> None:
        self.redis = redis
        self.folder = folder
        self.store = Store(redis.client())
        self.leases = Leases(self.store.scripts, grace_seconds=0.3, lease_seconds=1.5)
        self.keepers: list[subprocess.Popen[bytes]] = []

    # ---------------------------------------------------------------- flows and runs
    def write(self, text: str) -> None:
        """Write the file with the flows; NOTES is a folder that they may write to."""
        head = f"import os, signal, subprocess, sys, time\nNOTES = {str(self.folder)!r}\n"
        head += "def note(name, text=''):\n    with open(os.path.join(NOTES, name), 'a') as file:\n"
        head += "        file.write(f'{text}\\n')\n"
        (self.folder / "flows.py").write_text(head + textwrap.dedent(text))

    def deploy(self, text: str = "", *, name: str = "main", queue: str = "default", **changes: Any) -> str:
        """Deploy the flow `name` of the file; answers the deployment's id."""
        if text:
            self.write(text)
        spec: dict[str, Any] = {
            "name": "d",
            "flow": name,
            "function": name,
            "path": str(self.folder / "flows.py"),
            "folder": str(self.folder),
            "working_dir": str(self.folder),
            "work_queue": queue,
        }
        made = deployment_id(name, "d")
        self.store.deployments.put(made, {**spec, **changes}, [], "a test")
        return made

    def submit(self, count: int = 1, *, name: str = "main", parameters: Sequence[Mapping[str, Any]] = ()) -> list[str]:
        """Make runs; answers their ids."""
        deployment = self.store.deployments.get(deployment_id(name, "d"))
        assert deployment is not None, f"{name} is not deployed"
        given = [*parameters] or [None] * count
        runs = [new_run(deployment, str(uuid.uuid4()), actor="a test", own=Wishes(parameters=each)) for each in given]
        self.store.records.create(runs)
        return [run.id for run in runs]

    def run(self, run_id: str) -> Run:
        """The record of a run."""
        found = self.store.records.get(run_id)
        assert found is not None
        return found

    def until(self, run_id: str, *states: State, within: float = 10.0) -> Run:
        """The record, once the run is in one of the states."""
        wait_until(lambda: self.run(run_id).state in states, within, message=lambda: self.told(run_id))
        return self.run(run_id)

    def told(self, run_id: str) -> str:
        """What is known of a run and of the agents, for messages."""
        return f"{self.run(run_id)}\n{self.log_of_agents()}"

    def lines(self, run_id: str) -> list[str]:
        """What a run wrote, in order."""
        return [line.record.text for line in self.store.logs.read(run_id)]

    def notes(self, name: str) -> list[str]:
        """What flows noted under a name."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def until_noted(self, name: str, within: float = 10.0) -> list[str]:
        """What flows noted under a name, once there is something."""
        return wait_until(lambda: self.notes(name), within, message=lambda: f"{name}\n{self.log_of_agents()}")

    # ---------------------------------------------------------------- agents
    def agent(self, name: str = "a1", **options: Any) -> subprocess.Popen[bytes]:
        """Start an agent and return its keeper once it is registered."""
        before = self.instance(name)
        keeper = self.start_agent(name=name, **options)
        wait_until(lambda: self.instance(name) not in (None, before), 15, message=self.log_of_agents)
        return keeper

    def start_agent(self, *, within: Sequence[str] = (), **options: Any) -> subprocess.Popen[bytes]:
        """Start an agent and return its keeper at once; `within` is a command that ends by executing its arguments."""
        usual = {"redis_url": self.redis.url, "queues": ("default",), "limit": 2, "home": str(self.folder / "home")}
        chosen = AgentOptions(**{**usual, **FAST, **options})
        with open(self.folder / f"agent-{len(self.keepers)}.log", "wb") as log:
            keeper = subprocess.Popen(
                [*within, *keeper_command()],
                env={**os.environ, **chosen.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.keepers.append(keeper)
        return keeper

    def instance(self, name: str) -> str | None:
        """Which process has registered under a name."""
        found: Any = self.store.scripts.redis.hget(self.store.keys.agent(name), "instance")
        return found and found.decode()

    def holder(self, name: str) -> int:
        """The process id that has registered under a name; 0 when there is none."""
        found: Any = self.store.scripts.redis.hget(self.store.keys.agent(name), "pid")
        return int(found or 0)

    def supervisor(self, keeper: subprocess.Popen[bytes]) -> int:
        """The process id of a keeper's supervisor."""
        return wait_until(lambda: children_of(keeper.pid))[0]

    def log_of_agents(self) -> str:
        """What the agents printed, for messages."""
        logs = sorted(self.folder.glob("agent-*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)

    def kill(self, *pids: int) -> None:
        """kill -9, in one go."""
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def expire(self) -> int:
        """What the scheduler does about lost leases, once; answers how many there were."""
        return self.leases.expire_once().count

    def close(self) -> None:
        """Kill every process that this site has started, directly or not."""
        for keeper in self.keepers:
            tree = [keeper.pid, *below(keeper.pid)]
            groups = [group for pid in tree for group in groups_of(pid)]
            for pid in tree:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            keeper.wait(10)
            for group in groups:
                group.kill()
                wait_until(lambda group=group: not group.is_populated())  # type: ignore[misc]
                group.remove()
        for name in self.folder.glob("*.pid"):
            for pid in name.read_text().split():
                stray = facts(int(pid))
                if stray is not None and environment_value(int(pid), RUN_VARIABLE) is not None:
                    os.kill(int(pid), signal.SIGKILL)


def below(pid: int) -> list[int]:
    """All processes below one."""
    found: list[int] = []
    for child in children_of(pid):
        found += [child, *below(child)]
    return found


def groups_of(supervisor: int) -> list[ControlGroup]:
    """The control group of a supervisor, if it has one."""
    return [group for group in all_groups() if f":{supervisor}." in group.name]


def processes_of(run_id: str) -> list[int]:
    """The living processes that carry the mark of a run."""
    marked = [pid for pid in all_processes() if environment_value(pid, RUN_VARIABLE) == run_id]
    return [pid for pid in marked if (found := facts(pid)) is not None and not found.dead]


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    found = facts(pid)
    return found is not None and not found.dead
