"""A Redis, a scheduler and agents whose flows note each start and end: where proofs about killed agents are made."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.kernel import children_of
from tests.chaos import flows
from tests.chaos.gone import Living
from tests.chaos.history import Record, flow_records
from tests.lifecycle.worksite import Site
from tests.support.redis_server import RedisServer, die_with_parent

SHORT = {"lease_seconds": 1.5, "renew_seconds": 0.25, "grace_seconds": 0.1}
"""A twentieth of the usual lease, renewal and grace: 30 s, 5 s and 2 s."""

SCHEDULER = "from orchestrator.scheduler.process import main; main()"


class Ground:
    """The site, and what its flows noted."""

    def __init__(self, site: Site, leases: Mapping[str, float]) -> None:
        self.site = site
        self.folder = site.folder
        self.leases = dict(leases)
        self.living = Living(site.folder)
        for name in ("flows", "locks"):
            (site.folder / name).mkdir()

    def deploy(self, name: str, **changes: Any) -> None:
        """Deploy one of `tests.chaos.flows`; a lost run is run again for ever."""
        environment = {"CHAOS_FOLDER": str(self.folder)}
        where = {"path": flows.__file__, "folder": str(Path(flows.__file__).parent)}
        self.site.deploy(name=name, env=environment, max_lost=1000, **where, **changes)

    def agent(self, name: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start an agent and return its keeper once it is registered."""
        return self.site.agent(name, **{**self.leases, **options})

    def starts(self) -> list[Record]:
        """Every start that a flow noted, by time."""
        return sorted((one for one in flow_records(self.folder / "flows") if one["what"] == "start"), key=mono)

    def started(self, run_id: str, after: float) -> float | None:
        """When a run was first started after a moment, both CLOCK_MONOTONIC."""
        times = (float(one["mono"]) for one in self.starts() if one["run"] == run_id and one["mono"] > after)
        return next(times, None)


def mono(record: Record) -> float:
    """When it was, CLOCK_MONOTONIC."""
    return float(record["mono"])


@contextlib.contextmanager
def ground(leases: Mapping[str, float] = SHORT) -> Iterator[Ground]:
    """Everything is started, and nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="hgp"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        redis = stack.enter_context(RedisServer(append_only=True))
        site = Site(redis, folder)
        stack.callback(site.close)
        settings = {f"HEADGATE_{name.upper()}": str(value) for name, value in leases.items()}
        with open(folder / "scheduler.log", "wb") as log:
            scheduler = subprocess.Popen(
                [sys.executable, "-c", SCHEDULER],
                env={**os.environ, "HEADGATE_REDIS_URL": redis.url, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        stack.callback(scheduler.wait, 10)
        stack.callback(scheduler.kill)
        made = Ground(site, leases)
        made.living.start()
        stack.callback(made.living.stop)
        yield made


def kill_at_one_moment(keeper: subprocess.Popen[bytes]) -> float:
    """kill -9 of keeper and supervisor so that neither can clear up after the other; answers when."""
    both = [keeper.pid, *children_of(keeper.pid)]
    for pid in both:
        os.kill(pid, signal.SIGSTOP)
    for pid in both:
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    keeper.wait(10)
    return killed


def share(values: list[float], part: float) -> float:
    """The value that so large a part of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
