"""An installation under chaos: Redis behind the proxy, two schedulers, agents, deployments of different shapes."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis import RedisError

from orchestrator.client.deployments import placed
from orchestrator.deployments import deployment_id
from orchestrator.schedules import IntervalSchedule
from orchestrator.store import Store
from orchestrator.store.deployments import PlacedSchedule
from queues.errors import HeadgateQueueError
from queues.keys import queue_limit
from tests.chaos import roles
from tests.chaos.history import Collector, History
from tests.chaos.proxy import Proxy
from tests.chaos.roles import Role
from tests.chaos.scene import Scene
from tests.support import bundles, network_namespaces
from tests.support.deployments import spec
from tests.support.network_namespaces import Namespace
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

PREFIX = "{headgate}"
QUEUES = {"fast": 10, "slow": 7, "rough": 3}
"""Work queues with their limits."""

TAGS = {"tag:gpu": 2}
SLOTS = 6
APART = 2
"""So many agents live in network namespaces of their own."""

SCHEDULED = "tick"
SHAPES: dict[str, dict[str, Any]] = {
    "quick": {"work_queue": "fast", "max_lost": 50},
    "nap": {"work_queue": "slow", "max_lost": 50},
    "gpu": {"flow": "nap", "work_queue": "slow", "tags": ["gpu"], "max_lost": 50},
    "flaky": {"work_queue": "fast", "retries": 3, "retry_delay_seconds": 0.2, "max_lost": 50},
    "target": {"work_queue": "slow", "max_lost": 50},
    "hostile": {"work_queue": "rough", "concurrency_limit": 2, "max_lost": 50},
    "once": {"flow": "nap", "work_queue": "slow", "on_lost": "crash"},
    SCHEDULED: {"flow": "quick", "work_queue": "fast", "max_lost": 50},
}
"""Deployments: what differs from a plain one of the flow of their name."""

BUNDLED = ("gpu", "flaky", "once")
"""Those whose code travels: agents fetch each that is new."""
ABSENT = {"path": "/not/here/flows.py", "folder": "/not/here", "working_dir": None, "entry": "flows.py"}

BIGGEST_DISK = "4g"
FAILURES = (HeadgateQueueError, RedisError, OSError)
"""What a call of the harness's own may end in while Redis is away."""


class World:
    """Starts everything, keeps it up (`keep_up`, called often), and ends it all in `close`, by number."""

    def __init__(self, *, agents: int = 4, seed: int = 0) -> None:
        self.seed = seed
        self.folder = Path(tempfile.mkdtemp(prefix="hgc"))
        for name in ("flows", "locks", "home"):
            (self.folder / name).mkdir()
        self.redis = RedisServer(append_only=True)
        self.disk = self._mount_disk()
        self.roles: dict[str, Role] = {}
        self.namespaces: dict[str, Namespace] = {}
        self.proxy: Proxy | None = None
        self.agents = agents
        self.history = History()
        self._numbers = itertools.count()
        self.first_instant: int | None = None
        """When the scheduled deployment was to run first, in microseconds."""

    def __enter__(self) -> World:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---------------------------------------------------------------- beginning
    def _start(self) -> None:
        self.redis.start()
        self.client = self.redis.client(socket_timeout=1.0)
        self.store = Store(self.client, PREFIX)
        self.proxy = Proxy(self.redis.socket, self.seed)
        self._deploy()
        self.collector = Collector(self.history, self.redis.client(), PREFIX).start(0.1)
        self.scene = Scene(self.history)
        for number in range(1, self.agents + 1):
            self._add_agent(f"a{number}", alone=number <= APART)
        for name in ("s1", "s2"):
            self.roles[name] = roles.scheduler(name, self.folder, self.proxy.door(name).url, PREFIX)
        self.keep_up()
        wait_until(lambda: self.serving() == self.agents, 30, message=self.logs)

    def _add_agent(self, name: str, *, alone: bool) -> None:
        """An agent with a door of its own; `alone`: in a network namespace, where one can be made."""
        assert self.proxy is not None
        inside = Namespace() if alone and not network_namespaces.why_not() else None
        if inside:
            self.namespaces[name] = inside
        url = self.proxy.door(name, inside.outside if inside else "127.0.0.1").url
        self.roles[name] = roles.agent(name, self.folder, url, PREFIX, tuple(QUEUES), SLOTS, inside)

    def skipped(self) -> list[str]:
        """What can not be done here, and why."""
        found = [] if self.disk else ["full disk: only root may mount a small disk of its own for Redis"]
        why_not = network_namespaces.why_not()
        return [*found, f"agents in network namespaces that are cut off: {why_not}"] if why_not else found

    def _deploy(self) -> None:
        flows = self.folder / "flows.py"
        shutil.copy(Path(__file__).with_name("flows.py"), flows)
        for queue, limit in QUEUES.items():
            self.store.queues.create(queue, limit=limit, actor="chaos")
        for tag, limit in TAGS.items():
            self.store.limits.set(tag, limit, "chaos")
        for name in SHAPES:
            first = self.deploy(name)
            if first:
                self.first_instant = first[0].next_us

    def deploy(self, name: str) -> list[PlacedSchedule]:
        """Deploy one of the shapes, again with code of its own where that travels; gives its schedules."""
        shape, flows = SHAPES[name], self.folder / "flows.py"
        flow = shape.get("flow", name)
        schedules = [IntervalSchedule(timedelta(seconds=1))] if name == SCHEDULED else []
        place = {key: str(self.folder) for key in ("folder", "working_dir")}
        made = spec(*schedules, path=str(flows), **place, env={roles.MARK: str(self.folder)})
        if name in BUNDLED:
            files = {"flows.py": flows.read_text(), "which.txt": f"{name} {next(self._numbers)}"}
            made |= {**ABSENT, "source": bundles.put(self.store, files)}
        made |= {"on_lost": "rerun", **shape, "name": name, "flow": flow, "function": flow}
        first = placed(made, self.store.scripts.now_us())
        self.store.deployments.put(deployment_id(flow, name), made, first, "chaos")
        return first

    def _mount_disk(self) -> Path | None:
        """A disk of its own for Redis, which can be made full; only root may mount one."""
        place = str(self.redis.folder)
        words = ["mount", "-t", "tmpfs", "-o", f"size={BIGGEST_DISK},mode=0700", "headgate-chaos", place]
        if os.geteuid() == 0 and subprocess.run(words, capture_output=True).returncode == 0:
            return self.redis.folder
        return None

    # ---------------------------------------------------------------- meanwhile
    def keep_up(self) -> None:
        """Start what has ended and is wanted, and take in what happened."""
        for role in self.roles.values():
            role.keep_up()
        self.scene.update()

    def keep_up_for(self, seconds: float) -> None:
        """The same for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.keep_up()
            time.sleep(0.02)

    def down(self, role: Role, seconds: float) -> None:
        """Do not start a role again for so long."""
        role.restart_at = time.monotonic() + seconds

    def serving(self) -> int:
        """How many agents Redis knows as alive."""
        return sum(agent.state == "running" for agent in self.store.presence.all())

    def of(self, kind: str) -> list[Role]:
        """All agents, or all schedulers."""
        return [role for role in self.roles.values() if role.kind == kind]

    def limits(self) -> dict[str, int]:
        """The limits as they are when nobody has changed them."""
        return {**{queue_limit(queue): limit for queue, limit in QUEUES.items()}, **TAGS}

    def fill_disk(self) -> bool:
        """Leave next to no room on the disk of Redis; whether that could be done."""
        assert self.disk is not None
        for spare in (1, 4, 16, 64):  # Redis may write between the look and the change
            used = os.statvfs(self.disk)
            if self._resize(str((used.f_blocks - used.f_bfree + spare) * used.f_frsize)):
                return True
        return False

    def relieve_disk(self) -> None:
        """Give the disk its room back."""
        assert self._resize(BIGGEST_DISK), "the disk can not be made bigger again"

    def _resize(self, size: str) -> bool:
        words = ["mount", "-o", f"remount,size={size}", str(self.disk)]
        return subprocess.run(words, capture_output=True).returncode == 0

    def logs(self) -> str:
        """The ends of what the roles printed, for messages."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in sorted(self.folder.glob("*.log"))
        )

    def tracebacks(self) -> list[str]:
        """Where a role printed a traceback, with its last lines: always a defect."""
        found = []
        for log in sorted(self.folder.glob("*.log")):
            text = log.read_text(errors="replace")
            at = text.find("Traceback (most recent call last)")
            if at >= 0:
                found.append(f"{log.name}: {text[at : at + 3000]}")
        return found

    # ---------------------------------------------------------------- end
    def close(self) -> None:
        """Kill every process, unmount, remove; whatever state things are in."""
        if threading.current_thread() is threading.main_thread():
            heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
            self._close()
            signal.signal(signal.SIGINT, heard)
        else:
            self._close()

    def _close(self) -> None:
        try:
            roles.end_all(list(self.roles.values()), self.folder)
        finally:
            if self.proxy is not None:
                self.proxy.close()
            self.redis.kill()
            for namespace in self.namespaces.values():
                namespace.close()
            if self.disk is not None:
                subprocess.run(["umount", "-l", str(self.disk)], capture_output=True)
            self.redis.close()
            shutil.rmtree(self.folder, ignore_errors=True)
