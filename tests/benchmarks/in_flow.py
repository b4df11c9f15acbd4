"""What tasks cost inside of one flow run, under a real agent: no-op tasks per second, tasks beside plain calls.

Each flow measures itself and returns seconds; what Redis has of it afterwards must be whole.
"""

from __future__ import annotations

import json
from typing import Any

from tests.benchmarks.figures import Figure, median, ratio
from tests.benchmarks.fleet import Fleet
from tests.support.waiting import wait_until

TURNS = 5
FLOWS = """
    import threading
    import time
    from orchestrator import flow, task
    from orchestrator.deployments import DeploymentSpec

    meeting = threading.Barrier(2, timeout=5)

    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    @task
    def nothing(i):
        return i

    @task
    def fib_task(n):
        return fib(n)

    @task
    def meet(i):
        return meeting.wait()

    @flow
    def tasks(count: int, mapped: bool):
        begin = time.perf_counter()
        futures = nothing.map(range(count)) if mapped else [nothing(i) for i in range(count)]
        for future in futures:
            future.result()
        return time.perf_counter() - begin

    @flow
    def meetings():
        for futures in (meet.map(range(2)), [meet(0), meet(1)]):
            for future in futures:
                future.result()

    @flow
    def fibs(count: int, n: int):
        begin = time.perf_counter()
        for _ in range(count):
            fib(n)
        between = time.perf_counter()
        for future in [fib_task(n) for _ in range(count)]:
            future.result()
        return [between - begin, time.perf_counter() - between]

    for each in (tasks, meetings, fibs):
        DeploymentSpec(flow=each, name="bench", work_queue="four")
"""


def task_figures(fleet: Fleet, scale: float, hard: int) -> list[Figure]:
    """Tasks of one flow, called and mapped, and tasks that compute beside the bare loop that does the same.

    `hard` is the number of Fibonacci that ten of them compute: the smaller it is, the more the tasks themselves weigh.
    """
    inside, turns = InFlow(fleet), range(TURNS if scale == 1 else 2)
    count = max(100, int(1000 * scale))
    figures = []
    for way, mapped in (("called", False), (".map", True)):
        found = [inside.tasks_per_second(count, mapped=mapped) for _ in turns]
        name = f"{count:,} tasks of a flow, {way}"
        figures.append(median(name, [one[0] for one in found], "/s", at_least=20_000, note="all completed"))
        whole = [one[1] for one in found]
        figures.append(median(f"{name}, until the run has ended", whole, "/s", note="all states in Redis"))
    plain, tasks = zip(*(inside.beside_calls(40, 10) for _ in turns), strict=True)
    beyond = [1000 * (with_tasks - 1.5 * bare) for bare, with_tasks in zip(plain, tasks, strict=True)]
    figures += [
        median("40 calls of fib(10)", [1000 * seconds for seconds in plain], "ms"),
        median("40 tasks of fib(10)", [1000 * seconds for seconds in tasks], "ms"),
        median("40 tasks of fib(10), beyond 1.5 × the calls", beyond, "ms", at_most=20),
    ]
    plain, tasks = zip(*(inside.beside_calls(10, hard) for _ in turns), strict=True)
    return [*figures, ratio(f"10 tasks of fib({hard}): share of the calls", tasks, plain, at_most=1.03)]


class InFlow:
    """The flows of this page, on the agent with four slots."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        fleet.installation.deploy(FLOWS, name="in_flow.py")
        fleet.run("meetings/bench")  # completes only when tasks really run beside each other

    def tasks_per_second(self, count: int, *, mapped: bool) -> tuple[float, float]:
        """No-op tasks per second, from the first call until all have completed, and from the run's start to its end."""
        record, seconds = self._ended("tasks", count=count, mapped=mapped)
        recorded = wait_until(lambda: self._fleet.store.tasks.read(record.id), within=10)
        states = {task.state for task in recorded}
        assert (len(recorded), states) == (count, {"COMPLETED"}), f"recorded: {len(recorded)} in {states}"
        return count / float(seconds), count / ((record.ended_us - record.started_us) / 1_000_000)

    def beside_calls(self, count: int, n: int) -> tuple[float, float]:
        """Seconds of so many plain calls of fib(n), and of as many tasks of it, in one run."""
        plain, tasks = self._ended("fibs", count=count, n=n)[1]
        return float(plain), float(tasks)

    def _ended(self, flow: str, **parameters: Any) -> tuple[Any, Any]:
        """Run a flow to its end; gives the run's record and what it returned."""
        record = self._fleet.run(f"{flow}/bench", parameters)
        return record, json.loads(self._fleet.store.records.data(record.id, "result") or b"null")
