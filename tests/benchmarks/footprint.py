"""What Headgate takes while nothing happens, and how an agent grows while much does."""

import contextlib
import threading
from collections.abc import Iterator

import psutil
import redis as redis_py

from tests.benchmarks.figures import Figure, median
from tests.benchmarks.fleet import Fleet
from tests.benchmarks.stock_rq import StockRq

WINDOWS = 5
BATCH = 500


def idle_figures(fleet: Fleet, rq: StockRq, scale: float) -> list[Figure]:
    """CPU, memory and commands of a scheduler and one agent that have nothing to do."""
    agent, scheduler = processes(fleet, "four"), [psutil.Process(fleet.scheduler.pid)]
    seconds = max(1.0, 4 * scale)
    with monitored(fleet.installation.redis.client()) as commands:
        scheduler[0].suspend()
        threading.Event().wait(seconds * 3)
        count = len(commands)
        scheduler[0].resume()
    percents = [busy_percent([*agent, *scheduler], seconds) for _ in range(WINDOWS)]
    keeper, supervisor, clock = (megabytes([process]) for process in (*agent, *scheduler))
    both, shared = keeper + supervisor + clock, proportional([*agent, *scheduler])
    parts = f"keeper {keeper:.1f}, supervisor {supervisor:.1f}, scheduler {clock:.1f}; proportional {shared:.1f}"
    worker = megabytes([psutil.Process(rq.workers[0].pid)])
    return [
        median("scheduler + agent, of one core", percents, "%", at_most=1, note=f"windows of {seconds:g} s"),
        Figure(name="scheduler + agent, RSS", value=both, unit="MB", at_most=90, note=parts),
        Figure(name="rq worker, RSS", value=worker, unit="MB"),
        Figure(name="agent, commands", value=count / (3 * seconds) / len(fleet.agents), unit="/s", at_most=0.999),
    ]


class Growth:
    """What the agent with four slots takes, from when it was begun with to the end of all runs."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._before = megabytes(processes(fleet, "four"))
        self._ended = self._runs()

    def figures(self, runs: int) -> list[Figure]:
        """Let so many warm runs follow, and give what the agent has grown by since the beginning."""
        for at in range(0, runs, BATCH):
            self._fleet.completed(self._fleet.submit("noop/four-warm", min(BATCH, runs - at)))
        grown = megabytes(processes(self._fleet, "four")) - self._before
        note = f"over {self._runs() - self._ended:,} runs of the installation"
        return [Figure(name="agent, growth of RSS", value=grown, unit="MB", at_most=10, note=note)]

    def _runs(self) -> int:
        return int(self._fleet.redis.zcard(self._fleet.store.keys.state("COMPLETED")))


def processes(fleet: Fleet, name: str) -> list[psutil.Process]:
    """The keeper and the supervisor of an agent."""
    keeper = psutil.Process(fleet.agents[name].pid)
    return [keeper, max(keeper.children(), key=lambda process: process.memory_info().rss)]


def megabytes(found: list[psutil.Process]) -> float:
    """RSS together; pages that several of them share are counted in each."""
    return sum(process.memory_info().rss for process in found) / 1_000_000


def proportional(found: list[psutil.Process]) -> float:
    """MB together, shared pages divided among those who share them."""
    return sum(process.memory_full_info().pss for process in found) / 1_000_000


def busy_percent(found: list[psutil.Process], seconds: float) -> float:
    """How much of one core processes use during so many seconds."""
    before = cpu_seconds(found)
    threading.Event().wait(seconds)
    return 100 * (cpu_seconds(found) - before) / seconds


def cpu_seconds(found: list[psutil.Process]) -> float:
    """Seconds of CPU that processes have used so far."""
    return sum(sum(process.cpu_times()[:2]) for process in found)


@contextlib.contextmanager
def monitored(client: redis_py.Redis) -> Iterator[list[str]]:
    """Every command that clients send to the first database meanwhile; commands inside scripts are not counted."""
    lines: list[str] = []

    def listen(monitor: object) -> None:
        with contextlib.suppress(redis_py.RedisError, OSError, ValueError):
            for command in monitor.listen():  # type: ignore[attr-defined]
                if command["client_type"] != "lua" and command["db"] == 0:
                    lines.append(command["command"])

    with client.monitor() as monitor:
        reader = threading.Thread(target=listen, args=(monitor,), daemon=True)
        reader.start()
        yield lines
        client.connection_pool.disconnect()
