"""No-op flow runs per second, submitted at once, beside the bare loops and stock rq: all of them in every turn."""

from collections.abc import Callable

from tests.benchmarks import bare_loops
from tests.benchmarks.figures import LIMIT, OURS, RQ, Figure, median, ratio
from tests.benchmarks.fleet import Fleet
from tests.benchmarks.stock_rq import StockRq

TURNS = 5
INTERPRETER, FORK = "bare interpreter loop", "bare fork loop"
NAMES = {
    "fork": f"{FORK}, 4 slots",
    "warm": "warm, 4 slots",
    "interpreter": f"{INTERPRETER}, 4 slots",
    "cold": "cold, 4 slots",
    "pooled": "cold, 2 tasks each, 4 slots",
    "rq": "rq, 1 worker",
    "rq-4": "rq, 4 workers",
    "warm-pair": "warm, 2 agents, 2 slots each",
    "cold-pair": "cold, 2 agents, 2 slots each",
    "warm-limited": "warm, 4 slots, queue with limit",
    "cold-limited": "cold, 4 slots, queue with limit",
    "fork-1": f"{FORK}, 1 slot",
    "warm-1": "warm, 1 slot",
    "interpreter-1": f"{INTERPRETER}, 1 slot",
    "cold-1": "cold, 1 slot",
}
DRAWN = {"fork": LIMIT, "warm": OURS, "interpreter": LIMIT, "cold": OURS, "pooled": OURS, "rq": RQ, "rq-4": RQ}


def throughput_figures(fleet: Fleet, rq: StockRq, scale: float) -> list[Figure]:
    """Rates as they are, and those that have targets as shares of what they are judged by."""
    measures = measures_of(fleet, rq, scale)
    found: dict[str, list[float]] = {what: [] for what in measures}
    for turn in range(TURNS if scale == 1 else 2):
        # Every other turn goes backwards, so that nothing always comes right after the same thing.
        for what in list(measures) if turn % 2 == 0 else reversed(measures):
            found[what].append(measures[what]())
    rates = [median(name, found[what], "runs/s", whose=DRAWN.get(what, "")) for what, name in NAMES.items()]

    def share(what: str, whole: str, of: str, at_least: float | None = None) -> Figure:
        return ratio(f"{NAMES[what]}: share of {of}", found[what], found[whole], at_least=at_least)

    shares = [
        share("warm", "fork", f"the {FORK}", 0.4),
        share("cold", "interpreter", f"the {INTERPRETER}", 0.7),
        share("pooled", "interpreter", f"the {INTERPRETER}", 0.5),
        share("warm-1", "fork-1", f"the {FORK}"),
        share("cold-1", "interpreter-1", f"the {INTERPRETER}"),
        share("cold-pair", "cold", "one agent", 0.95),
        share("warm-pair", "warm", "one agent", 0.95),
        share("cold-limited", "cold", "no limit", 0.95),
        share("warm-limited", "warm", "no limit", 0.95),
    ]
    return rates + shares


def measures_of(fleet: Fleet, rq: StockRq, scale: float) -> dict[str, Callable[[], float]]:
    """What is measured in a turn; each takes about a second."""
    redis, few, many = fleet.redis, max(16, int(60 * scale)), max(40, int(160 * scale))
    return {
        "interpreter": lambda: bare_loops.interpreter_rate(redis, runs=few, slots=4),
        "cold": lambda: fleet.runs_per_second("noop/four-cold", few),
        "pooled": lambda: fleet.runs_per_second("pooled/four-cold", few),
        "cold-limited": lambda: fleet.runs_per_second("noop/limited-cold", few),
        "cold-pair": lambda: fleet.runs_per_second("noop/pair-cold", few),
        "rq": lambda: rq.jobs_per_second("one", few),
        "rq-4": lambda: rq.jobs_per_second("four", few),
        "fork": lambda: bare_loops.fork_rate(redis, runs=2 * many, slots=4),
        "warm": lambda: fleet.runs_per_second("noop/four-warm", many),
        "warm-limited": lambda: fleet.runs_per_second("noop/limited-warm", many),
        "warm-pair": lambda: fleet.runs_per_second("noop/pair-warm", many),
        "interpreter-1": lambda: bare_loops.interpreter_rate(redis, runs=few // 2, slots=1),
        "cold-1": lambda: fleet.runs_per_second("noop/one-cold", few // 2),
        "fork-1": lambda: bare_loops.fork_rate(redis, runs=many, slots=1),
        "warm-1": lambda: fleet.runs_per_second("noop/one-warm", many // 2),
    }
