"""`make bench`: the limits of this machine and Headgate's figures, side by side in one run, as a table with targets.

python -m tests.benchmarks [--quick] [--markdown]
"""

import argparse
import compileall
import os
import statistics
import sys

from tests.benchmarks import bare_loops, command_line, start_up
from tests.benchmarks.clockwork import Clockwork
from tests.benchmarks.figures import Figure, machine, percentile, table
from tests.benchmarks.fleet import SLOTS, Fleet, fleet
from tests.benchmarks.in_flow import InFlow
from tests.benchmarks.protocol import Protocol
from tests.rules.source_files import PRODUCT, ROOT
from tests.support.installation import Installation
from tests.support.redis_server import RedisServer


def main() -> int:
    """Measure and print; the exit code is 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that it runs, not to quote")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    options = parser.parse_args()
    scale = 0.1 if options.quick else 1.0
    compile_packages()
    taken_on = machine()
    figures = [*protocol_figures(scale), *fleet_figures(scale), *clock_figures(scale), *command_figures(scale)]
    print(f"{taken_on}\n")
    print(table(figures, markdown=options.markdown))
    return int(any(figure.met is False for figure in figures))


def compile_packages() -> None:
    """Bytecode for every process to come: installed packages have it, a checkout may be told not to write any."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in PRODUCT:
        compileall.compile_dir(ROOT / package, quiet=1)


def protocol_figures(scale: float) -> list[Figure]:
    """Calls per second and bytes per run of the protocol alone."""
    progress("protocol: calls per second, bytes per run")
    calls = max(200, int(2000 * scale))
    with RedisServer(append_only=True) as server:
        protocol = Protocol(server.client())
        waiting, finished = protocol.bytes_per_run(calls)
        measures = (
            lambda: protocol.round_trips(calls),
            lambda: protocol.enqueues(calls),
            lambda: protocol.enqueues_by_hundred(calls),
            lambda: protocol.claims_alone(calls),
            lambda: protocol.lifecycles(calls // 2),
        )
        # In turn, so that a busy moment of the machine touches all of them alike.
        turns = [[measure() for measure in measures] for _ in range(5)]
    trip, enqueue, hundred, claim, life = (statistics.median(rates) for rates in zip(*turns, strict=True))
    return [
        Figure(name="bare round trip (script that does nothing)", value=trip, unit="/s"),
        Figure(name="enqueue, one run per call", value=enqueue, unit="/s", note=of(enqueue, trip, "round trips")),
        Figure(name="enqueue, a hundred per call", value=hundred, unit="/s"),
        Figure(name="claim, one run per call", value=claim, unit="/s", note=of(claim, trip, "round trips")),
        Figure(name="claim + confirm + finish", value=life, unit="/s", note="three calls"),
        Figure(name="Redis per waiting run", value=waiting, unit="bytes", note="with rq job and indexes"),
        Figure(name="Redis per finished run", value=finished, unit="bytes", at_most=1200, note="with indexes, no logs"),
    ]


def fleet_figures(scale: float) -> list[Figure]:
    """Everything that needs real agents and processes."""
    with fleet() as measured:
        progress("start of a flow's process")
        empty, beyond = start_up.start_up(measured.installation.folder, max(5, int(40 * scale)))
        progress("idle agents")
        idle = measured.idle_commands_per_second(max(5.0, 30 * scale))
        memory = measured.memory()
        progress("latency")
        latencies = measured.latencies(max(10, int(60 * scale)))
        figures = [*rate_figures(measured, scale), *in_flow_figures(measured, scale)]
        later = measured.memory()
    agent = memory["keeper"] + memory["supervisor"]
    now = f"{later['keeper'] + later['supervisor']:.1f} MB after all runs of this bench"
    return [
        Figure(name="python -c pass", value=empty, unit="ms", note="exec to exit"),
        Figure(name="no-op flow process, beyond python -c pass", value=beyond, unit="ms", at_most=8),
        Figure(name="submit to first user line, median", value=statistics.median(latencies), unit="ms", at_most=40),
        Figure(name="submit to first user line, p95", value=percentile(latencies, 0.95), unit="ms"),
        *figures,
        Figure(name="keeper, RSS", value=memory["keeper"], unit="MB"),
        Figure(name="supervisor, RSS", value=memory["supervisor"], unit="MB"),
        Figure(name="agent = keeper + supervisor, RSS", value=agent, unit="MB", at_most=70, note=now),
        Figure(name="scheduler, RSS", value=memory["scheduler"], unit="MB"),
        Figure(name="idle agent, commands", value=idle, unit="/s", at_most=0.999),
    ]


def rate_figures(measured: Fleet, scale: float) -> list[Figure]:
    """Runs per second at each number of slots: bare interpreter, Headgate, bare fork; repetitions taken in turn."""
    redis, figures = measured.redis, []
    for slots in SLOTS:
        progress(f"runs per second, {number(slots)}")
        bare, ours = [], []
        for _ in range(5):
            bare.append(bare_loops.interpreter_rate(redis, runs=max(20, int(150 * scale)), slots=slots))
            ours.append(measured.runs_per_second(runs=max(20, int(150 * scale)), slots=slots))
        fork = bare_loops.fork_rate(redis, runs=max(100, int(1000 * scale)), slots=slots)
        limit, reached = statistics.median(bare), statistics.median(ours)
        share = of(reached, limit, "the bare interpreter loop")
        figures += [
            Figure(name=f"bare fork loop, {number(slots)}", value=fork, unit="runs/s"),
            Figure(name=f"bare interpreter loop, {number(slots)}", value=limit, unit="runs/s"),
            Figure(name=f"Headgate, {number(slots)}", value=reached, unit="runs/s", at_least=limit / 2, note=share),
        ]
    return figures


def in_flow_figures(measured: Fleet, scale: float) -> list[Figure]:
    """Tasks and lines of one flow run."""
    progress("tasks and lines in a flow")
    inside, turns = InFlow(measured), max(1, int(5 * scale))
    count, hard = max(100, int(1000 * scale)), 33 if scale == 1.0 else 22
    direct = statistics.median(inside.tasks_per_second(count, mapped=False) for _ in range(turns))
    mapped = statistics.median(inside.tasks_per_second(count, mapped=True) for _ in range(turns))
    small = sorted((inside.beside_calls(40, 10) for _ in range(turns)), key=lambda both: both[1])[turns // 2]
    plain, tasks = inside.beside_calls(10, hard)
    lines = statistics.median(inside.lines_per_second(int(200_000 * scale))[0] for _ in range(turns))
    bare = f"{1000 * small[0]:.1f} ms of plain calls"
    return [
        Figure(name="tasks of one flow, called", value=direct, unit="/s", at_least=20_000, note="all states recorded"),
        Figure(name="tasks of one flow, .map", value=mapped, unit="/s", at_least=20_000, note="all states recorded"),
        Figure(name="40 tasks of fib(10)", value=1000 * small[1], unit="ms", at_most=1500 * small[0] + 20, note=bare),
        Figure(name=f"10 tasks of fib({hard}), of plain calls", value=tasks / plain, unit="", at_most=1.03),
        Figure(name="lines of one flow, until all are in Redis", value=lines, unit="/s", at_least=100_000),
    ]


def clock_figures(scale: float) -> list[Figure]:
    """What schedules cost."""
    idle, due = int(100_000 * scale), int(10_000 * scale)
    with Installation() as installation:
        progress(f"{idle:,} deployments between their instants")
        clockwork = Clockwork(installation)
        megabytes, percent = clockwork.idle(idle, max(5.0, 20 * scale))
        progress(f"{due:,} runs due at once")
        seconds = clockwork.due_at_once(due, within=max(4.0, 15 * scale))
    stored = f"{idle:,} deployments"
    return [
        Figure(name="scheduler between instants, of one core", value=percent, unit="%", at_most=1, note=stored),
        Figure(name="Redis for idle deployments", value=megabytes, unit="MB", at_most=150 * scale, note=stored),
        Figure(name=f"{due:,} runs due at once, until all are queued", value=seconds, unit="s", at_most=2),
    ]


def command_figures(scale: float) -> list[Figure]:
    """What somebody waits for who types a command; the commands of lists with many runs stored."""
    repetitions, runs = max(3, int(15 * scale)), int(100_000 * scale)
    with Installation() as installation:
        commands = command_line.Commands(installation)
        progress("commands")
        few = commands.medians((["--help"], command_line.A_TAB, ["work-queue", "ls"]), repetitions)
        progress(f"commands, {runs:,} runs stored")
        commands.store(runs)
        lines = ("flow-run ls", command_line.RARE, *command_line.LISTS)
        newest, rare, *others = commands.medians([*map(str.split, lines), command_line.A_TAB], repetitions)
    tab, slowest = others.pop(), max(others)
    stored, which = f"{runs:,} runs stored", command_line.LISTS[others.index(slowest)]
    return [
        Figure(name="headgate --help", value=few[0], unit="ms", at_most=150, note="exec to exit, as all below"),
        Figure(name="a Tab that completes a run", value=max(few[1], tab), unit="ms", at_most=200, note=stored),
        Figure(name="headgate work-queue ls", value=few[2], unit="ms", at_most=300),
        Figure(name="headgate flow-run ls", value=newest, unit="ms", at_most=500, note=stored),
        Figure(name="the slowest other list", value=slowest, unit="ms", at_most=500, note=f"{which}, {stored}"),
        Figure(name="the runs of a tag that none has", value=rare, unit="ms", at_most=500, note=stored),
    ]


def of(part: float, whole: float, what: str) -> str:
    """A rate as a share of another one."""
    return f"{part / whole:.2f} of {what}"


def number(slots: int) -> str:
    """A number of slots in words."""
    return f"{slots} slot" if slots == 1 else f"{slots} slots"


def progress(text: str) -> None:
    """Say what is being measured, where it is not part of the table."""
    print(f"measuring {text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
