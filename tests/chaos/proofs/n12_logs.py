"""Flows that print numbered lines while the way to Redis is cut and their agents are killed: no line goes unnoticed.

Waves of runs, on two agents that reach Redis through one door of the proxy. Half of the runs print more than Redis
keeps of one, so that their middle is a marked gap, and in a file that their agent kept.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections import Counter
from pathlib import Path

from queues.states import State
from tests.chaos.line_judge import Attempt, Judged, judge, last_lines
from tests.chaos.links import CUT
from tests.chaos.proof import Options, Proof
from tests.chaos.proving_ground import Ground, ground, kill_at_one_moment
from tests.chaos.proxy import Proxy
from tests.lifecycle.worksite import is_running
from tests.support.waiting import wait_until

TARGET = "100 runs x 100,000 numbered lines, 50 cuts, 20 kill -9 of agents: 0 gaps unmarked, 0 doubles, 0 mixed"
RUNS, LINES, CUTS, KILLS = 100, 100_000, 50, 20
WAVE = 10
LEASES = {"lease_seconds": 15.0, "renew_seconds": 1.0, "grace_seconds": 1.0}
LITTLE, MUCH = 2_000_000, 6_500_000
"""Bytes of text that a run prints: Redis keeps 4 MiB."""

FLOW = """
from orchestrator import flow
@flow
def main(count: int, size: int):
    process = f"{os.getpid()}-{time.monotonic_ns()}"
    tail = "x" * max(1, size // count - len(process) - 8)
    for number in range(1, count + 1):
        print(process, number, tail)
"""


def prove(options: Options) -> Proof:
    """Waves of runs until all runs and all faults have been."""
    lines = max(20_000, round(LINES * min(1.0, options.scale)))
    with ground(LEASES) as place:
        proxy = Proxy(place.site.redis.socket, options.seed)
        try:
            printing = Printing(place, proxy, options, lines)
            while printing.has_more:
                printing.wave()
        finally:
            proxy.close()
    judged = printing.judged
    situations = {what: judged.occurred[what] for what in sorted(judged.occurred)}
    return Proof(
        met=not judged.wrong,
        measured="; ".join(judged.wrong[:5]) or f"0 unmarked gaps, 0 doubles, 0 mixed; {lines:,} lines per run",
        occurred={**printing.faults, **situations},
    )


class Printing:
    """The agents, the faults that are still to come, and what was found."""

    def __init__(self, place: Ground, proxy: Proxy, options: Options, lines: int) -> None:
        self.site, self.proxy, self.lines = place.site, proxy, lines
        self.random = random.Random(options.seed)
        self.door = proxy.door("agents")
        self.runs, self.made = options.count(RUNS, least=4), 0
        self.cuts, self.kills = options.count(CUTS, least=3), options.count(KILLS, least=2)
        self.faults: Counter[str] = Counter()
        self.judged = Judged()
        self.spooled: dict[Attempt, int] = {}
        self.site.deploy(FLOW, max_lost=1000)
        self.keepers = {name: self.agent(name) for name in ("a1", "a2")}

    @property
    def has_more(self) -> bool:
        """Whether runs or faults are left."""
        return self.made < self.runs or self.cuts > 0 or self.kills > 0

    def agent(self, name: str) -> subprocess.Popen[bytes]:
        """Start an agent behind the door."""
        return self.site.agent(name, redis_url=self.door.url, limit=2, **LEASES)

    def wave(self) -> None:
        """Some runs, struck while they print, and judged when nothing of them is in any spool."""
        count = min(WAVE, max(2, self.runs - self.made))
        sizes = [MUCH if number % 2 else LITTLE for number in range(count)]
        runs = self.site.submit(parameters=[{"count": self.lines, "size": size} for size in sizes])
        self.made += count
        waves_left = 1 + max(0, self.runs - self.made + WAVE - 1) // WAVE
        due = [self.cut] * -(-self.cuts // waves_left) + [self.kill] * -(-self.kills // waves_left)
        self.random.shuffle(due)
        for fault in due:
            wait_until(lambda: self.printing(runs) or self.ended(runs), 120, message=self.site.log_of_agents)
            if self.ended(runs):
                break
            fault(runs)
            pause = self.random.uniform(0.1, 1.5)
            until = self.site.store.scripts.now_us() + pause * 1_000_000
            wait_until(lambda until=until: self.site.store.scripts.now_us() > until, 30)  # type: ignore[misc]
        wait_until(lambda: self.ended(runs), 600, every=0.1, message=self.site.log_of_agents)
        wait_until(lambda: not self.unshipped(), 120, every=0.1, message=self.site.log_of_agents)
        self.judge(runs)

    def printing(self, runs: list[str]) -> list[str]:
        """Agents with a run that has printed something."""
        found = [run for run in self.site.store.records.get_many(runs) if run and run.state is State.RUNNING]
        return [run.agent for run in found if run.agent and self.site.store.logs.last_line(run.id, run.attempt)]

    def ended(self, runs: list[str]) -> bool:
        """Whether all of them have."""
        return all(run is not None and run.is_terminal for run in self.site.store.records.get_many(runs))

    def cut(self, runs: list[str]) -> None:
        """Reset every connection, every other time with a refusal of new ones for a while."""
        struck = len(self.door.links) > 0
        self.cuts -= struck
        self.faults["cuts"] += struck
        if self.cuts % 2:
            self.proxy.strike("agents", CUT)
            return
        self.proxy.shut()
        until = self.site.store.scripts.now_us() + self.random.uniform(100_000, 1_500_000)
        wait_until(lambda: self.site.store.scripts.now_us() > until)
        self.proxy.open()

    def kill(self, runs: list[str]) -> None:
        """kill -9 of a supervisor, every other time with its keeper, while one of its runs prints."""
        names = [name for name in self.printing(runs) if name in self.keepers]
        if not names:
            return
        self.kills -= 1
        name = self.random.choice(names)
        keeper, with_keeper = self.keepers[name], self.kills % 2 == 0
        supervisor, before = self.site.supervisor(keeper), self.site.instance(name)
        if with_keeper:
            kill_at_one_moment(keeper)
        else:
            # A new supervisor would ship, and remove, the files that are about to be read.
            os.kill(keeper.pid, signal.SIGSTOP)
            os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: not is_running(supervisor))
        self.note_spool(name)
        self.faults["agents killed while a run printed"] += 1
        if with_keeper:
            self.keepers[name] = self.agent(name)
        else:
            os.kill(keeper.pid, signal.SIGCONT)
        wait_until(lambda: self.site.instance(name) != before, 60, message=self.site.log_of_agents)

    def note_spool(self, name: str) -> None:
        """Remember what the dead agent had written and what of it Redis had not got."""
        for folder in self.folders(name):
            for (run_id, attempt), last in last_lines(folder).items():
                self.spooled[run_id, attempt] = last
                behind = last - self.site.store.logs.last_line(run_id, attempt)
                self.faults["attempts whose agent died before it shipped their last lines"] += behind > 0

    def folders(self, name: str) -> list[Path]:
        """Where an agent spools, or (`_kept`) all agents keep."""
        return list((self.site.folder / "home" / "spool").glob(f"*/{name}"))

    def unshipped(self) -> list[Path]:
        """Files that are still in the spool of an agent."""
        files = [file for name in self.keepers for folder in self.folders(name) for file in folder.iterdir()]
        return [file for file in files if file.name not in ("lock", "probe")]

    def judge(self, runs: list[str]) -> None:
        """Judge the logs of a wave, and make room for those of the next."""
        (kept,) = self.folders("_kept")
        for run_id in runs:
            found = judge(self.site.store, run_id, self.lines, self.spooled, kept)
            self.judged.wrong += found.wrong
            self.judged.occurred += found.occurred
            run = self.site.run(run_id)
            self.judged.occurred["attempts"] += run.attempt
            if run.state is not State.COMPLETED:
                self.judged.wrong.append(f"{run_id} ended {run.state}: {run.reason}")
        self.judged.occurred["runs"] += len(runs)
        self.site.store.logs.drop(runs, "age")
        for file in kept.iterdir():
            file.unlink()
