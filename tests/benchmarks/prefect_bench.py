"""`make bench-prefect`: the same flows on Prefect 3 as it is installed, with a server and a process worker of its own.

Runs in an environment of its own, made by the Makefile; of ours it loads only the table. Settings are Prefect's own,
with usage statistics off. Our figures beside it are those of the last docs/benchmarks.md.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure, machine, median, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
PREFECT = str(Path(sys.executable).with_name("prefect"))
SLOTS, TASKS, TURNS, RUNS = 4, 1000, 5, 12
FLOWS = """
    import json, time
    from pathlib import Path
    from prefect import flow, task

    @flow
    def noop():
        pass

    @task
    def nothing(i):
        return i

    @flow
    def stamp(path: str):
        Path(path).write_text(json.dumps(time.time()))

    @flow
    def tasks(count: int, path: str):
        begin = time.perf_counter()
        for future in nothing.map(range(count)):
            future.result()
        Path(path).write_text(json.dumps(time.perf_counter() - begin))

    if __name__ == "__main__":
        for name in ("noop", "stamp", "tasks"):
            source = flow.from_source(source=str(Path(__file__).parent), entrypoint=f"flows.py:{name}")
            source.deploy(name="bench", work_pool_name="bench", print_next_steps=False, ignore_warnings=True)
"""


def main() -> int:
    """Measure and print."""
    taken_on = machine()
    with tempfile.TemporaryDirectory(prefix="hgp") as folder, installation(Path(folder)) as prefect:
        figures = [*memory_figures(prefect), *run_figures(prefect)]
        version = prefect.run("--version")
    print(f"{taken_on}, Prefect {version}\n")
    print(table(figures))
    return 0


class Installation:
    """A Prefect server and a process worker in a folder; everything it started ends with `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api"
        os.environ |= {
            "PREFECT_HOME": str(folder / "home"),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        self.roles: list[subprocess.Popen[bytes]] = []
        self.start("server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui")
        until(self.healthy, 60)
        self.run("work-pool", "create", "bench", "--type", "process")
        (folder / "flows.py").write_text(textwrap.dedent(FLOWS))
        self.finished(sys.executable, "flows.py")
        self.start("worker", "start", "--pool", "bench", "--limit", str(SLOTS))
        until(lambda: "started!" in self.log(), 60)

    def run(self, *words: str) -> str:
        """One command of Prefect to its end; what it printed."""
        return self.finished(PREFECT, *words)

    def finished(self, *command: str) -> str:
        """A command to its end; what it printed."""
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def start(self, *words: str) -> None:
        """Start a long-lived command in a session of its own."""
        with open(self.folder / "roles.log", "ab") as log:
            role = subprocess.Popen([PREFECT, *words], cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        self.roles.append(role)

    def healthy(self) -> bool:
        """Whether the server answers."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    def log(self) -> str:
        """What server and worker printed."""
        return (self.folder / "roles.log").read_text(errors="replace")

    def close(self) -> None:
        """End the sessions of server and worker, by their process ids."""
        for role in reversed(self.roles):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(role.pid, 15)
            with contextlib.suppress(subprocess.TimeoutExpired):
                role.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(role.pid, 9)


@contextlib.contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """An installation that is ended."""
    made = Installation(folder)
    try:
        yield made
    finally:
        made.close()


def run_figures(prefect: Installation) -> list[Figure]:
    """Runs per second, submit to first line, and tasks per second."""
    rates, latencies, tasks = [], [], []
    for turn in range(TURNS):
        rates.append(asyncio.run(runs_per_second(RUNS)))
        path = prefect.folder / f"stamp-{turn}"
        latencies.append(1000 * asyncio.run(latency(path)))
        path = prefect.folder / f"tasks-{turn}"
        tasks.append(TASKS / asyncio.run(answer("tasks/bench", path, {"count": TASKS}))[1])
    return [
        median(f"no-op flow runs, {SLOTS} slots", rates, "runs/s", note=ours("cold, 4 slots")),
        median("submit to first line", latencies, "ms", note=ours("submit to first line, cold")),
        median(f"{TASKS:,} tasks of a flow, .map", tasks, "/s", note=ours(f"{TASKS:,} tasks of a flow, .map")),
    ]


def memory_figures(prefect: Installation) -> list[Figure]:
    """Memory of server and worker, once they have nothing to do."""
    found = sum(megabytes(pid) for role in prefect.roles for pid in session(role.pid))
    return [Figure(name="server + worker, RSS", value=found, unit="MB", note=ours("scheduler + agent, RSS"))]


async def runs_per_second(count: int) -> float:
    """Runs per second of runs submitted at once, from the first that is pending to the last that has ended."""
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment

    submitted = [await run_deployment("noop/bench", timeout=0) for _ in range(count)]
    async with get_client() as client:
        ended = [await completed(client, run.id) for run in submitted]
        states = [state for run in submitted for state in await client.read_flow_run_states(run.id)]
    began = min(state.timestamp for state in states if state.type == "PENDING")
    return count / (max(run.end_time for run in ended) - began).total_seconds()


async def latency(path: Path) -> float:
    """Seconds from the acknowledged submit to the first line of the flow."""
    acknowledged, first_line = await answer("stamp/bench", path, {})
    return first_line - acknowledged


async def answer(deployment: str, path: Path, parameters: dict[str, Any]) -> tuple[float, float]:
    """Run a deployment once; when its submit was acknowledged, and what it wrote into the file."""
    from prefect.client.orchestration import get_client
    from prefect.deployments import run_deployment

    run = await run_deployment(deployment, parameters={**parameters, "path": str(path)}, timeout=0)
    acknowledged = time.time()
    async with get_client() as client:
        await completed(client, run.id)
    return acknowledged, float(path.read_text())


async def completed(client: Any, run_id: Any) -> Any:
    """A run, once it has ended; an error when it did not complete."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        run = await client.read_flow_run(run_id)
        if run.state is not None and run.state.is_final():
            if not run.state.is_completed():
                raise SystemExit(f"a run of Prefect ended as {run.state}")
            return run
        await asyncio.sleep(0.25)
    raise SystemExit(f"run {run_id} of Prefect has not ended within 180 s")


def ours(name: str) -> str:
    """Our own figure of that name, as it stands in docs/benchmarks.md."""
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    found = [row[1] for row in rows if row[0] == f"| {name}"]
    return f"Headgate: {found[0]}" if found else ""


def session(leader: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if os.getsid(int(entry.name)) == leader:
                found.append(int(entry.name))
    return found


def megabytes(pid: int) -> float:
    """RSS of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 / 1_000_000 for line in lines if line.startswith("VmRSS")), 0.0)


def until(condition: Callable[[], bool], within: float) -> None:
    """Wait for something; ends the program when it does not come."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {within:g} s for Prefect in vain")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
