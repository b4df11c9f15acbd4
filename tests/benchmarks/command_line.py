"""What a command costs whoever types it: from exec to exit, also where very many runs are stored."""

import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Sequence

from orchestrator.client import Client
from orchestrator.config import Settings
from orchestrator.store.runs import new_run
from tests.benchmarks.figures import Figure, median
from tests.support.deployments import HOURLY, spec
from tests.support.installation import Installation

QUEUES = ("default", "etl", "gpu")
DEPLOYMENTS = 30
WAITING = 3_000
LISTS = (
    "work-queue ls",
    "work-queue preview etl",
    "deployment ls",
    "flow ls",
    "agent ls",
    "concurrency-limit ls",
    "flow-run ls --deployment flow-1/bench-1",
    "flow-run ls --queue etl --state CANCELLED",
    "status",
)
"""The lists beside that of all runs."""
RARE = "flow-run ls --tag rare"
"""No run fits, of however many."""
A_TAB = ("completion", "bash", "--line", "headgate flow-run inspect a")


def command_figures(scale: float) -> list[Figure]:
    """What somebody waits for who types a command; the commands of lists with many runs stored."""
    repetitions, runs = max(3, int(7 * scale)), int(100_000 * scale)
    with Installation() as installation:
        commands = Commands(installation)
        few = commands.turns((["--help"], ["work-queue", "ls"]), repetitions)
        commands.store(runs)
        lines = ("flow-run ls", RARE, *LISTS)
        newest, rare, *others = commands.turns([*map(str.split, lines), A_TAB], repetitions)
    tab, slowest = others.pop(), max(others, key=statistics.median)
    stored, which = f"{runs:,} runs stored", LISTS[others.index(slowest)]
    return [
        median("headgate --help", few[0], "ms", at_most=150, note="exec to exit, as all below"),
        median("a Tab that completes a run", tab, "ms", at_most=200, note=stored),
        median("headgate work-queue ls", few[1], "ms", at_most=300),
        median("headgate flow-run ls", newest, "ms", at_most=500, note=stored),
        median("the slowest other list", slowest, "ms", at_most=500, note=f"{which}, {stored}"),
        median("the runs of a tag that none has", rare, "ms", at_most=500, note=stored),
    ]


class Commands:
    """An installation with deployments, and with as many runs as are asked for, of which some thousands wait."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.environment = installation.environment
        with Client.from_settings(Settings.load(installation.environment), actor="bench") as client:
            for queue in QUEUES[1:]:
                client.create_work_queue(queue, limit=4)
            client.create_from_specs([declared(number) for number in range(DEPLOYMENTS)])

    def store(self, runs: int) -> None:
        """Make so many runs, and end all but the newest that wait."""
        with Client.from_settings(Settings.load(self.installation.environment), actor="bench") as client:
            deployments, records = client.store.deployments.all(), client.store.records
            ids: list[str] = []
            for at in range(0, runs, 100):
                batch = (deployments[number % DEPLOYMENTS] for number in range(at, min(at + 100, runs)))
                made = [new_run(deployment, str(uuid.uuid4()), actor="bench") for deployment in batch]
                records.create(made)
                ids += [run.id for run in made]
            ended = ids[: max(runs - WAITING, runs // 2)]
            count = sum(records.cancel_waiting(ended, states=("QUEUED",), actor="bench", reason="to be an ended run"))
            assert count == len(ended), f"expected {len(ended)} runs to be cancelled, got {count}"

    def turns(self, lines: Iterable[Sequence[str]], repetitions: int) -> list[list[float]]:
        """Milliseconds of each command; they take turns, so that a busy moment touches all of them alike."""
        lines = list(lines)
        turns = [[self.milliseconds(line) for line in lines] for _ in range(repetitions)]
        return [list(took) for took in zip(*turns, strict=True)]

    def milliseconds(self, words: Sequence[str]) -> float:
        """From exec to exit of one command, whose output is read."""
        command = [sys.executable, "-P", "-m", "orchestrator", *words]
        started = time.perf_counter()
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        took = 1000 * (time.perf_counter() - started)
        assert done.returncode == 0, f"headgate {' '.join(words)}: {done.returncode}\n{done.stderr}"
        return took


def declared(number: int) -> dict[str, object]:
    """One of the deployments; three of them share a flow."""
    queue = QUEUES[number % len(QUEUES)]
    return spec(HOURLY, flow=f"flow-{number % 10}", name=f"bench-{number}", work_queue=queue, tags=[f"t{number}"])
