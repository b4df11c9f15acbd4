"""Agents cut off from Redis by a network that loses every packet, then healed; and a Redis that is stopped for long."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from queues.states import State
from tests.chaos.proof import Options, Proof
from tests.lifecycle.worksite import Site
from tests.support.network_namespaces import Namespace, why_not
from tests.support.redis_server import RedisServer, die_with_parent
from tests.support.sentinels import free_port
from tests.support.waiting import wait_until

TARGET = (
    "cut 60 s (netns, on_disconnect=kill), healed: 0 violations, own flows killed before the lease ends, resumed within"
    " 2 s; Redis stopped 100 s: no running flow killed, results arrive after"
)
CUT_SECONDS, STOPPED_SECONDS = 60.0, 100.0
RESUMES_WITHIN = 2.0
USUAL = {"lease_seconds": 30.0, "renew_seconds": 5.0, "grace_seconds": 2.0}
SHORT = {"lease_seconds": 2.0, "renew_seconds": 0.4, "grace_seconds": 0.4}
SCHEDULER = "from orchestrator.scheduler.process import main; main()"
FLOW = """
from orchestrator import flow
@flow
def main(seconds):
    me = os.environ["HEADGATE_RUN_ID"]
    note("times", f"start {time.monotonic():.6f} {os.getpid()} {me}")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        note(f"beat-{os.getpid()}-{me}", f"{time.monotonic():.6f}")
        time.sleep(0.02)
    note("times", f"stop {time.monotonic():.6f} {os.getpid()} {me}")
"""


@dataclass
class Seen:
    """What happened, for the table."""

    violations: list[str] = field(default_factory=list)
    killed_after: list[float] = field(default_factory=list)
    resumed_after: list[float] = field(default_factory=list)
    occurred: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, number: int = 1) -> None:
        """Note that something occurred."""
        self.occurred[what] = self.occurred.get(what, 0) + number


def prove(options: Options) -> Proof:
    """Cut, heal, stop, start; then look whether any run was ever executed twice at once."""
    if reason := why_not():
        return Proof(met=False, measured="", skipped=f"no network namespaces here: {reason}")
    seen = Seen()
    cut_seconds = max(4.0, CUT_SECONDS * options.scale)
    stopped_seconds = max(4.0, STOPPED_SECONDS * options.scale)
    leases = SHORT if options.scale < 1 else USUAL
    with world(leases) as (site, namespaces):
        for number, namespace in enumerate(namespaces, 1):
            cut_off(site, seen, f"a{number}", namespace, cut_seconds, leases["lease_seconds"])
    with world(leases) as (site, _):
        stopped(site, seen, stopped_seconds)
    met = not seen.violations and max(seen.resumed_after) <= RESUMES_WITHIN
    measured = (
        f"{len(seen.violations)} violations; killed {max(seen.killed_after):.1f} s after the cut at the latest (lease"
        f" {leases['lease_seconds']:g} s); resumed after {', '.join(f'{each:.2f}' for each in seen.resumed_after)} s"
    )
    if seen.violations:
        measured += ": " + "; ".join(seen.violations[:5])
    return Proof(met=met, measured=measured, occurred=seen.occurred)


@contextlib.contextmanager
def world(leases: dict[str, float]) -> Iterator[tuple[Site, list[Namespace]]]:
    """Two agents in namespaces of their own, a scheduler, a Redis they reach by TCP; nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="hgn14"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        namespaces = [stack.enter_context(Namespace()) for _ in range(2)]
        port = free_port()
        listens = {"port": str(port), "bind": "0.0.0.0", "protected-mode": "no"}
        redis = stack.enter_context(RedisServer(append_only=True, options=listens))
        site = Site(redis, folder)
        stack.callback(site.close)
        site.deploy(FLOW)
        for number, namespace in enumerate(namespaces, 1):
            site.store.queues.create(f"a{number}", actor="a proof")
            settings = {"redis_url": f"redis://{namespace.outside}:{port}", "queues": ("default", f"a{number}")}
            site.agent(f"a{number}", within=namespace.command([]), limit=6, **settings, **leases)
        stack.callback(end, start_scheduler(redis.url, folder, leases))
        yield site, namespaces


def start_scheduler(url: str, folder: Path, leases: dict[str, float]) -> subprocess.Popen[bytes]:
    """Start a scheduler; it is never cut off."""
    settings = {f"HEADGATE_{name.upper()}": str(value) for name, value in leases.items()}
    return subprocess.Popen(
        [sys.executable, "-c", SCHEDULER],
        env={**os.environ, "HEADGATE_REDIS_URL": url, **settings},
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill it."""
    process.kill()
    process.wait(10)


def cut_off(site: Site, seen: Seen, agent: str, namespace: Namespace, seconds: float, lease: float) -> None:
    """Cut one agent off in the middle of its runs, heal, and wait until every run has ended."""
    run_ids = site.submit(parameters=[{"seconds": seconds * 0.6}] * 8)
    wait_until(lambda: [site.run(each).state for each in run_ids] == [State.RUNNING] * 8, 20, every=0.05)
    namespace.cut()
    cut = time.monotonic()
    mine = {each for each in run_ids if site.run(each).agent == agent}
    seen.count("agents cut off", 1)
    seen.count("runs running there", len(mine))
    site.deploy(name="main", queue=agent)
    (waiting,) = site.submit(parameters=[{"seconds": 0.1}])  # nobody but the agent that is cut off may take it
    wait_until(lambda: time.monotonic() - cut >= seconds, seconds + 10, every=0.05)
    namespace.heal()
    healed = time.monotonic()
    first = wait_until(lambda: executions(site.folder).get(waiting), 20, every=0.01, message=site.log_of_agents)[0]
    seen.resumed_after.append(first.start - healed)
    site.deploy(name="main", queue="default")
    ended = [*run_ids, waiting]
    wait_until(lambda: all(site.run(each).state == State.COMPLETED for each in ended), seconds + 30, every=0.1)
    for run_id in run_ids:
        judge(site, seen, run_id, cut=cut if run_id in mine else None, lease=lease)


@dataclass(frozen=True)
class Execution:
    """One process of a run: when it began and when it was seen alive last, in seconds of CLOCK_MONOTONIC."""

    start: float
    last: float


def executions(folder: Path) -> dict[str, list[Execution]]:
    """All processes of all runs, by the files that they wrote, in order."""
    found: dict[str, list[Execution]] = {}
    path = folder / "times"
    for line in path.read_text().splitlines() if path.exists() else []:
        what, at, pid, run_id = line.split()
        if what == "start":
            beats = folder / f"beat-{pid}-{run_id}"
            lines = beats.read_text().split() if beats.exists() else []
            found.setdefault(run_id, []).append(Execution(float(at), float(lines[-1]) if lines else float(at)))
    return found


def judge(site: Site, seen: Seen, run_id: str, *, cut: float | None, lease: float) -> None:
    """Look whether a run was ever executed twice at once, and whether it outlived its lease where it was cut off."""
    done = sorted(executions(site.folder)[run_id], key=lambda each: each.start)
    for before, after in itertools.pairwise(done):
        seen.count("runs taken over")
        if after.start <= before.last:
            seen.violations.append(f"{run_id} began at {after.start:.3f} and ran elsewhere until {before.last:.3f}")
    if cut is not None and done[0].last > cut:
        seen.killed_after.append(done[0].last - cut)
        if len(done) > 1 and done[0].last - cut >= lease:
            seen.violations.append(f"{run_id} ran {done[0].last - cut:.2f} s after the cut, longer than its lease")


def stopped(site: Site, seen: Seen, seconds: float) -> None:
    """Stop Redis in the middle of runs; some end meanwhile, some after it is back; none may be killed."""
    lengths = [seconds * 0.5] * 3 + [seconds + 2.0] * 3
    run_ids = site.submit(parameters=[{"seconds": each} for each in lengths])
    wait_until(lambda: [site.run(each).state for each in run_ids] == [State.RUNNING] * 6, 20, every=0.05)
    site.redis.kill()
    stop = time.monotonic()
    wait_until(lambda: time.monotonic() - stop >= seconds, seconds + 10, every=0.05)
    site.redis.start()
    seen.count("runs running while Redis was stopped", 6)
    wait_until(lambda: all(site.run(each).state == State.COMPLETED for each in run_ids), 40, every=0.1)
    for run_id in run_ids:
        if site.run(run_id).attempt != 1 or len(executions(site.folder)[run_id]) != 1:
            seen.violations.append(f"{run_id} was ended while Redis was stopped")
