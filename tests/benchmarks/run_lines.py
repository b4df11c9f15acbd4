"""What lines cost: one flow that prints as fast as it can, and ten that print 10,000 lines a second beside others.

Ten flows are compared with the same ten that write the same lines to /dev/null.
"""

import json
import time
from collections.abc import Sequence

import psutil

from orchestrator.store.run_logs import MOST_PER_RUN, Line
from queues.records import Run
from tests.benchmarks.figures import Figure, median
from tests.benchmarks.fleet import Fleet
from tests.benchmarks.footprint import cpu_seconds, processes
from tests.support.waiting import wait_until

TURNS, FLOWS_AT_ONCE, PER_SECOND = 5, 10, 10_000
FLOWS = """
    import sys
    import time
    from orchestrator import flow
    from orchestrator.deployments import DeploymentSpec

    @flow
    def lines(count: int):
        for number in range(count):
            print(number, "step done, 12 rows of table taken over")

    @flow
    def paced(seconds: float, per_second: int, printing: bool):
        out, begin = sys.stdout if printing else open("/dev/null", "w"), time.perf_counter()
        for number in range(round(seconds * per_second)):
            print(number, "step done, 12 rows of table taken over", file=out)
            if number % 100 == 99:
                time.sleep(max(begin + (number + 1) / per_second - time.perf_counter(), 0))
        return [time.perf_counter() - begin, time.process_time()]

    DeploymentSpec(flow=lines, name="bench", work_queue="four")
    DeploymentSpec(flow=paced, name="bench", work_queue="ten")
"""


def line_figures(fleet: Fleet, scale: float) -> list[Figure]:
    """Lines of one flow; what ten flows that print take from themselves and from what runs beside them."""
    fleet.installation.run("work-queue", "create", "ten")
    fleet.installation.deploy(FLOWS, name="run_lines.py")
    fleet.agents["ten"] = fleet.installation.start_agent("ten", "ten", limit=FLOWS_AT_ONCE)
    turns = range(TURNS if scale == 1 else 2)
    few, many = int(20_000 * scale), int(120_000 * scale)
    whole = [lines_per_second(fleet, few) for _ in turns]
    assert {kept for _, kept in whole} == {few}, f"expected all of {few} lines to be kept, got {whole}"
    rates, kept = zip(*(lines_per_second(fleet, many) for _ in turns), strict=True)
    budget = f"within {MOST_PER_RUN >> 20} MiB"
    note = f"in order; {min(kept):,} lines kept, the gap marked" if min(kept) < many else "in order, all kept"
    figures = [
        median(
            f"{few:,} lines of one flow, until all are in Redis", [rate for rate, _ in whole], "/s", note="all kept"
        ),
        median(f"{many:,} lines of one flow, {budget}", rates, "/s", at_least=100_000, note=note),
    ]
    return [*figures, *beside_figures(fleet, max(0.5, 1.0 * scale), len(turns))]


def lines_per_second(fleet: Fleet, count: int) -> tuple[float, int]:
    """Lines per second from the start of a run that prints until the last one is in Redis, and how many are kept."""
    record = fleet.run("lines/bench", {"count": count})
    late = fleet.store.logs.last_line(record.id, 1) < count
    wait_until(lambda: fleet.store.logs.last_line(record.id, 1) >= count, within=60, every=0.002)
    ended = max(record.ended_us or 0, fleet.store.scripts.now_us() if late else 0)
    lines = all_lines(fleet, record.id)
    kept = [int(line.record.text.split()[0]) for line in lines]
    assert kept == sorted(set(kept)), "lines are out of order or doubled"
    missing = sum(line.missing for line in lines)
    assert len(kept) + missing == count, f"{len(kept)} lines and a gap of {missing} are not {count}"
    return count / ((ended - (record.started_us or 0)) / 1_000_000), len(kept)


def all_lines(fleet: Fleet, run_id: str) -> list[Line]:
    """The whole log of a run."""
    lines: list[Line] = []
    while more := fleet.store.logs.read(run_id, lines[-1].at if lines else None, limit=10_000):
        lines += more
    return lines


def beside_figures(fleet: Fleet, seconds: float, turns: int) -> list[Figure]:
    """Ten flows that print beside the same ten that do not: their own time, and that of a process that computes."""
    slowed, longer, work, own = [], [], [], []
    for _ in range(turns):
        quiet, loud = TenFlows(fleet, seconds, printing=False), TenFlows(fleet, seconds, printing=True)
        slowed.append(100 * (quiet.beside / loud.beside - 1))
        longer.append(100 * (loud.seconds / quiet.seconds - 1))
        work.append((loud.agent_cpu - quiet.agent_cpu) * 1_000_000 / loud.lines)
        own.append((loud.own_cpu - quiet.own_cpu) * 1_000_000 / loud.lines)
    ten = f"{FLOWS_AT_ONCE} flows at {PER_SECOND:,} lines/s"
    return [
        median(f"{ten}: they take longer by", longer, "%", at_most=5, note="than the same flows into /dev/null"),
        median(f"{ten}: a process that computes is slowed by", slowed, "%", at_most=5, note="2 cores for all of it"),
        median(f"{ten}: CPU of agent and Redis per line", work, "µs"),
        median(f"{ten}: CPU of the flow per line", own, "µs", note="beyond writing to /dev/null"),
    ]


class TenFlows:
    """One round of ten flows at a steady pace, and what was seen of it."""

    def __init__(self, fleet: Fleet, seconds: float, *, printing: bool) -> None:
        parameters = {"seconds": seconds, "per_second": PER_SECOND, "printing": printing}
        server = [psutil.Process(fleet.installation.redis.pid), *processes(fleet, "ten")]
        self.lines = FLOWS_AT_ONCE * round(seconds * PER_SECOND)
        before = cpu_seconds(server)
        ids = [fleet.client.run_deployment("paced/bench", parameters).id for _ in range(FLOWS_AT_ONCE)]
        wait_until(lambda: all(run and run.started_us for run in fleet.store.records.get_many(ids)), within=20)
        self.beside = rounds_per_second(seconds / 2)
        records = fleet.completed(ids)
        if printing:
            wait_until(lambda: shipped(fleet, records, self.lines), within=60)
        self.agent_cpu = cpu_seconds(server) - before
        answers = [json.loads(fleet.store.records.data(run_id, "result") or b"null") for run_id in ids]
        self.seconds = sum(answer[0] for answer in answers) / len(answers)
        self.own_cpu = sum(answer[1] for answer in answers)


def shipped(fleet: Fleet, records: Sequence[Run], lines: int) -> bool:
    """Whether the last line of each run is in Redis."""
    return sum(fleet.store.logs.last_line(record.id, 1) for record in records) >= lines


def rounds_per_second(seconds: float) -> float:
    """What this process gets done meanwhile: rounds of a few milliseconds of computing."""
    rounds, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        fib(16)
        rounds += 1
    return rounds / took


def fib(n: int) -> int:
    """A number of Fibonacci, the slow way."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)
