"""Headgate as it runs: real agents on a Redis of their own, measured from outside."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import redis as redis_py

from orchestrator.client import Client
from orchestrator.config import Settings
from orchestrator.store.installation import Store
from queues.records import Run
from tests.support.installation import Installation
from tests.support.waiting import wait_until

# An installation of a test has short leases; what is measured here is what users have.
SETTINGS = {"HEADGATE_LEASE_SECONDS": "30", "HEADGATE_RENEW_SECONDS": "5", "HEADGATE_GRACE_SECONDS": "2"}
AGENTS = {"one": ("one",), "four": ("four", "limited"), "pair-a": ("pair",), "pair-b": ("pair",)}
"""Which queues an agent serves."""

SLOTS = {"one": 1, "four": 4, "pair-a": 2, "pair-b": 2}
WARM = {"noop/one-warm": 1, "noop/four-warm": 1, "noop/limited-warm": 1, "noop/pair-warm": 2, "stamp/warm": 1}
"""The warm deployments, and how many agents serve each."""

FLOWS = """
    import time
    from orchestrator import flow, task
    from orchestrator.deployments import DeploymentSpec
    from orchestrator.flow_runners import SubprocessFlowRunner

    WARM = SubprocessFlowRunner(warm=True)

    @flow
    def noop():
        pass

    @task
    def nothing(number):
        return number

    @flow
    def pooled():
        for future in [nothing(1), nothing(2)]:
            future.result()

    @flow
    def stamp(pipe: str = ""):
        now = time.monotonic_ns()
        if pipe:
            with open(pipe, "w") as out:
                out.write(str(now))

    for queue in ("one", "four", "pair", "limited"):
        DeploymentSpec(flow=noop, name=f"{queue}-cold", work_queue=queue)
        DeploymentSpec(flow=noop, name=f"{queue}-warm", work_queue=queue, flow_runner=WARM)
    DeploymentSpec(flow=pooled, name="four-cold", work_queue="four")
    DeploymentSpec(flow=stamp, name="cold", work_queue="four")
    DeploymentSpec(flow=stamp, name="warm", work_queue="four", flow_runner=WARM)
"""


class Fleet:
    """A scheduler, and agents on queues of their own that are idle unless measured; warm deployments are warm."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.redis: redis_py.Redis = installation.redis.client()
        self.store = Store(self.redis)
        for queue in ("one", "four", "pair"):
            installation.run("work-queue", "create", queue)
        installation.run("work-queue", "create", "limited", "--limit", "4")
        installation.deploy(FLOWS)
        self.scheduler = installation.start_scheduler()
        self.agents = {
            name: installation.start_agent(name, *queues, limit=SLOTS[name]) for name, queues in AGENTS.items()
        }
        self.client = Client.from_settings(Settings.load(installation.environment))
        for deployment, agents in WARM.items():
            self.warm_up(deployment, agents)

    def submit(self, deployment: str, count: int) -> list[str]:
        """Submit runs at once: none of them starts before all are there."""
        queue = self.client.get_deployment(deployment).work_queue
        self.client.pause_work_queue(queue)
        ids = [self.client.run_deployment(deployment).id for _ in range(count)]
        self.client.resume_work_queue(queue)
        return ids

    def runs_per_second(self, deployment: str, count: int) -> float:
        """Flow runs per second of runs submitted at once, from the first claim to the last finish by Redis' clock."""
        ids = self.submit(deployment, count)
        records = self.completed(ids)
        assert deployment not in WARM or self.forked(ids) > 0.95 * count, f"{deployment}: runs were not forked"
        claimed = min(move.at_us for record in records for move in record.history if move.state == "PENDING")
        ended = max(record.history[-1].at_us for record in records)
        return count / ((ended - claimed) / 1_000_000)

    def completed(self, ids: Sequence[str]) -> list[Run]:
        """The records of runs, once all have ended; an AssertionError when one did not complete."""
        wait_until(lambda: self.all_ended(ids[-8:]), within=120, every=0.1, message=self.installation.role_logs)
        wait_until(lambda: self.all_ended(ids), within=20, every=0.05)
        records = [record for record in self.store.records.get_many(ids) if record]
        failed = [record.state for record in records if record.state != "COMPLETED"]
        assert not failed, f"expected every run to be COMPLETED, got {failed[:5]}"
        return records

    def all_ended(self, ids: Sequence[str]) -> bool:
        """Whether runs have ended."""
        return all(record is not None and record.ended_us for record in self.store.records.get_many(ids))

    def run(self, deployment: str, parameters: dict[str, Any] | None = None) -> Run:
        """Run a deployment once, to its end."""
        return self.completed([self.client.run_deployment(deployment, parameters).id])[0]

    def warm_up(self, deployment: str, agents: int) -> None:
        """Run a deployment until every agent that serves it has a template for it."""
        ready = self.printed().count("template ready") + agents

        def tried() -> bool:
            self.completed(self.submit(deployment, 2 * agents))
            return self.printed().count("template ready") >= ready

        wait_until(tried, within=30, every=0.3, message=self.installation.role_logs)

    def forked(self, ids: Sequence[str]) -> int:
        """How many of these runs were forked from a template."""
        wanted = set(ids)
        words = [line.split() for line in self.printed().splitlines() if "run launched" in line and "warm=True" in line]
        return sum(any(word.removeprefix("run=") in wanted for word in line) for line in words)

    def printed(self) -> str:
        """All that the roles printed."""
        return "".join(log.read_text(errors="replace") for log in sorted(self.installation.folder.glob("role-*.log")))

    def idle(self) -> bool:
        """Whether the agent with four slots waits for a wake-up."""
        return self.redis.zscore(self.store.keys.idle("four"), "four") is not None


@contextlib.contextmanager
def fleet() -> Iterator[Fleet]:
    """A fleet that is ended with everything it started."""
    with Installation(SETTINGS) as installation:
        yield Fleet(installation)
