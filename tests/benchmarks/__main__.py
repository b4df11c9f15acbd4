"""`make bench`: the limits of this machine, Headgate and stock rq in one run, written to docs/benchmarks.md.

python -m tests.benchmarks [--quick] [--long] [--only SECTION …]
"""

import argparse
import compileall
import os
import sys
import time
from collections.abc import Callable, Iterator

from tests.benchmarks import page
from tests.benchmarks.clockwork import clock_figures
from tests.benchmarks.command_line import command_figures
from tests.benchmarks.figures import Figure, machine, table
from tests.benchmarks.fleet import fleet
from tests.benchmarks.footprint import Growth, idle_figures
from tests.benchmarks.in_flow import task_figures
from tests.benchmarks.protocol import protocol_figures
from tests.benchmarks.reading import reading_figures
from tests.benchmarks.run_lines import line_figures
from tests.benchmarks.starting import starting_figures
from tests.benchmarks.stock_rq import stock_rq
from tests.benchmarks.throughput import throughput_figures
from tests.rules.source_files import PRODUCT, ROOT

QUICK = 0.1
LONG_RUNS, SHORT_RUNS = 10_000, 1_000
HARD, LONG_HARD = 30, 33
WITH_FLEET = {"idle": "Idle", "starting": "Starting", "throughput": "Throughput", "tasks": "Tasks", "lines": "Lines"}
ALONE: dict[str, tuple[str, Callable[[float], list[Figure]]]] = {
    "schedules": ("Schedules", clock_figures),
    "protocol": ("Protocol", protocol_figures),
    "commands": ("Commands", command_figures),
    "reading": ("Reading", reading_figures),
}


def main() -> int:
    """Measure and print; the exit code is 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions, no page: to see that it runs")
    parser.add_argument("--long", action="store_true", help=f"growth over {LONG_RUNS:,} more runs, fib({LONG_HARD})")
    parser.add_argument("--only", nargs="+", choices=[*WITH_FLEET, *ALONE], help="these sections, and no page")
    options = parser.parse_args()
    scale = QUICK if options.quick else 1.0
    compile_packages()
    taken_on, sections = machine(), {}
    print(taken_on)
    for title, figures in measured(scale, options.only or [*WITH_FLEET, *ALONE], long=options.long):
        sections[title] = figures
        print(f"\n{title}\n{table(figures)}", flush=True)
    if options.only is None and not options.quick:
        page.write(ROOT / "docs", sections, taken_on)
    return int(any(figure.met is False for figures in sections.values() for figure in figures))


def measured(scale: float, wanted: list[str], *, long: bool) -> Iterator[tuple[str, list[Figure]]]:
    """Title and figures of each section, as they come."""
    if set(wanted) & set(WITH_FLEET):
        yield from with_fleet(scale, wanted, long=long)
    for name, (title, measure) in ALONE.items():
        if name in wanted:
            yield title, timed(title, lambda measure=measure: measure(scale))


def with_fleet(scale: float, wanted: list[str], *, long: bool) -> Iterator[tuple[str, list[Figure]]]:
    """The sections that need agents, which is also what lets them grow."""
    with fleet() as agents, stock_rq(agents.installation.redis, agents.installation.folder) as rq:
        measures: dict[str, Callable[[], list[Figure]]] = {
            "idle": lambda: idle_figures(agents, rq, scale),
            "starting": lambda: starting_figures(agents, rq, scale),
            "throughput": lambda: throughput_figures(agents, rq, scale),
            "tasks": lambda: task_figures(agents, scale, LONG_HARD if long else HARD),
            "lines": lambda: line_figures(agents, scale),
        }
        growth = Growth(agents)
        for name, title in WITH_FLEET.items():
            if name in wanted:
                yield title, timed(title, measures[name])
        yield "Growth", timed("Growth", lambda: growth.figures(LONG_RUNS if long else int(SHORT_RUNS * scale)))


def timed(title: str, measure: Callable[[], list[Figure]]) -> list[Figure]:
    """Measure, and say what is being measured and how long it took, where it is not part of the tables."""
    print(f"measuring {title.lower()} ...", file=sys.stderr, end=" ", flush=True)
    began = time.monotonic()
    figures = measure()
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return figures


def compile_packages() -> None:
    """Bytecode for every process to come: installed packages have it, a checkout may be told not to write any."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in PRODUCT:
        compileall.compile_dir(ROOT / package, quiet=1)


if __name__ == "__main__":
    sys.exit(main())
