"""From a submit to the first line of user code, and from the instant of a schedule to it."""

import json
import os
import threading
import time
from collections.abc import Sequence

from tests.benchmarks import start_up
from tests.benchmarks.figures import LIMIT, OURS, RQ, Figure, median, percentile
from tests.benchmarks.fleet import Fleet
from tests.benchmarks.stock_rq import StockRq
from tests.support.waiting import wait_until

TURNS = 6
SCHEDULED = """
    import time
    from datetime import UTC, datetime, timedelta
    from orchestrator import flow
    from orchestrator.deployments import DeploymentSpec
    from orchestrator.flow_runners import SubprocessFlowRunner
    from orchestrator.schedules import IntervalSchedule

    @flow
    def each_second():
        return time.time()

    for name, warm, milliseconds in (("cold", False, 0), ("warm", True, 500)):
        anchor = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
        DeploymentSpec(
            flow=each_second,
            name=name,
            work_queue="four",
            schedules=[IntervalSchedule(timedelta(seconds=1), anchor_date=anchor)],
            flow_runner=SubprocessFlowRunner(warm=warm),
        )
"""
INSTANTS = {"warm": 12, "cold": 12}


def starting_figures(fleet: Fleet, rq: StockRq, scale: float) -> list[Figure]:
    """Latencies of idle agents and of a waiting rq worker, taken in turn; delays of scheduled runs."""
    count = max(3, int(12 * scale))
    found: dict[str, list[float]] = {"warm": [], "cold": [], "rq": []}
    for _ in range(TURNS if scale == 1 else 1):
        found["warm"] += latencies(fleet, "stamp/warm", count)
        found["cold"] += latencies(fleet, "stamp/cold", count)
        found["rq"] += rq.latencies(count)
    empty, beyond = start_up.start_up(fleet.installation.folder, max(5, int(40 * scale)))
    submit, first = "submit to first line", {"warm": (8, 20), "cold": (25, 50)}
    figures = [median("python -c pass, exec to exit", empty, "ms", whose=LIMIT)]
    figures += [median("a no-op flow's process, beyond that", beyond, "ms")]
    for way, (usual, late) in first.items():
        figures.append(median(f"{submit}, {way}", found[way], "ms", at_most=usual, whose=OURS))
        figures.append(tail(f"{submit}, {way}, p95", found[way], at_most=late))
    figures += [median("enqueue to first line, rq worker", found["rq"], "ms", whose=RQ)]
    figures += [tail("enqueue to first line, rq worker, p95", found["rq"])]
    return [*figures, *scheduled_figures(fleet)]


def scheduled_figures(fleet: Fleet) -> list[Figure]:
    """How long after their instants scheduled runs begin; one that begins before it is a figure below zero."""
    figures = []
    for way, found in delays(fleet).items():
        note = f"{len(found)} instants, the earliest {min(found):.1f} ms after its own"
        name = f"instant of a schedule to first line, {way}"
        figures.append(median(name, found, "ms", note=note))
        figures.append(Figure(name=f"{name}, latest", value=max(found), unit="ms", at_most=50))
        figures.append(Figure(name=f"{name}, earliest", value=min(found), unit="ms", at_least=0))
    return figures


def tail(name: str, values: Sequence[float], at_most: float | None = None) -> Figure:
    """The 95th percentile."""
    return Figure(name=name, value=percentile(values, 0.95), unit="ms", at_most=at_most, note=f"of {len(values)}")


def latencies(fleet: Fleet, deployment: str, count: int) -> list[float]:
    """Milliseconds from the acknowledged submit to the first line of user code, on an idle agent."""
    pipe = fleet.installation.folder / "stamp.pipe"
    os.mkfifo(pipe)
    found, ids = [], []
    for _ in range(count):
        run = fleet.client.run_deployment(deployment, {"pipe": str(pipe)})
        acknowledged = time.monotonic_ns()
        found.append((int(pipe.read_text()) - acknowledged) / 1_000_000)
        ids.append(run.id)
        fleet.completed([run.id])
        wait_until(fleet.idle, within=10)
    pipe.unlink()
    forked = fleet.forked(ids)
    assert forked == (count if deployment.endswith("warm") else 0), f"{deployment}: {forked} of {count} forked"
    return found


def delays(fleet: Fleet) -> dict[str, list[float]]:
    """Milliseconds from the instant to the first line of scheduled runs, warm ones once there is a template.

    The first cold one is not among them: the code of a new deployment is brought to the agent first.
    """
    fleet.installation.deploy(SCHEDULED, name="scheduled.py")
    threading.Event().wait(max(INSTANTS.values()) + 3.0)  # so many seconds have so many instants
    found = {}
    for way, count in INSTANTS.items():
        fleet.client.pause_deployment(f"each_second/{way}")
        runs = [run["id"] for run in fleet.installation.runs("--deployment", f"each_second/{way}")]
        records = sorted(fleet.completed(runs), key=lambda record: record.due_us or 0)
        records = records[1:] if way == "cold" else [record for record in records if fleet.forked([record.id])]
        assert len(records) >= count, f"expected at least {count} scheduled {way} runs, got {len(records)}"
        found[way] = [1000 * (began(fleet, record.id) - (record.due_us or 0) / 1_000_000) for record in records]
    return found


def began(fleet: Fleet, run_id: str) -> float:
    """What a run of `each_second` returned: the time of its first line."""
    return float(json.loads(fleet.store.records.data(run_id, "result") or b"0"))
