"""What happens inside of one flow run, under a real agent: tasks per second, tasks beside plain calls, lines per second.

Each flow measures itself and returns seconds; what Redis has of it afterwards must be whole.
"""

from __future__ import annotations

import json
from typing import Any

from orchestrator.client import Client
from orchestrator.store.installation import Store
from tests.benchmarks.fleet import Fleet
from tests.support.waiting import wait_until

FLOWS = """
    import time
    from concurrent.futures import ThreadPoolExecutor
    from orchestrator import flow, task
    from orchestrator.deployments import DeploymentSpec

    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    @task
    def nothing(i):
        return i

    @task
    def fib_task(n):
        return fib(n)

    @flow
    def tasks(count: int, mapped: bool):
        begin = time.perf_counter()
        futures = nothing.map(range(count)) if mapped else [nothing(i) for i in range(count)]
        for future in futures:
            future.wait()
        return time.perf_counter() - begin

    @flow
    def fibs(count: int, n: int):
        begin = time.perf_counter()
        for _ in range(count):
            fib(n)
        between = time.perf_counter()
        for future in [fib_task(n) for _ in range(count)]:
            future.result()
        return [between - begin, time.perf_counter() - between]

    @flow
    def lines(count: int):
        begin = time.perf_counter()
        for number in range(count):
            print(number)
        return time.perf_counter() - begin

    for each in (tasks, fibs, lines):
        DeploymentSpec(flow=each, name="bench", work_queue="bench-4")
"""


class InFlow:
    """The flows of this page, on the agent with four slots."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._client: Client = fleet.client
        self._store = Store(fleet.redis)
        fleet.installation.deploy(FLOWS, name="in_flow.py")
        self._ended("tasks", count=1, mapped=False)  # its code has come

    def tasks_per_second(self, count: int, *, mapped: bool) -> float:
        """No-op tasks per second, from the first call until all have ended; every one is recorded."""
        run, seconds = self._ended("tasks", count=count, mapped=mapped)
        recorded = wait_until(lambda: self._store.tasks.read(run), within=10)
        states = {task.state for task in recorded}
        assert (len(recorded), states) == (count, {"COMPLETED"}), f"recorded: {len(recorded)} in {states}"
        return count / float(seconds)

    def beside_calls(self, count: int, n: int) -> tuple[float, float]:
        """Seconds of so many plain calls of fib(n), and of as many tasks of it, in one run."""
        plain, tasks = self._ended("fibs", count=count, n=n)[1]
        return float(plain), float(tasks)

    def lines_per_second(self, count: int) -> tuple[float, int]:
        """Lines per second that a flow prints until the run has ended with all of them shipped, and how many are kept."""
        run, _ = self._ended("lines", count=count)
        record = self._fleet.runs.get(run)
        assert record is not None and record.started_us and record.ended_us
        kept = [int(line.record.text) for line in self._store.logs.read(run) if line.record.text.isdigit()]
        assert kept == sorted(kept), "lines are out of order"
        return count / ((record.ended_us - record.started_us) / 1_000_000), len(kept)

    def _ended(self, flow: str, **parameters: Any) -> tuple[str, Any]:
        """Run a flow to its end; gives the run's id and what it returned."""
        run = self._client.run_deployment(f"{flow}/bench", parameters).id
        wait_until(lambda: self._fleet.all_ended([run]), within=120, message=self._fleet.installation.role_logs)
        record = self._fleet.runs.get(run)
        assert record is not None and record.state == "COMPLETED", record
        return run, json.loads(self._store.records.data(run, "result") or b"null")
