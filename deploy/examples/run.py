"""`make run`: the whole of Headgate on this machine, with the taxi example, told line by line until Ctrl-C.

Duties:
1. Redis (embedded), the scheduler and an agent, with their home in `.headgate/` of the checkout and nowhere else.
2. The example's trips, its work queue and its two deployments.
3. One run by hand, its log lines, and then a line for every change of state of every run.
4. Every process ended within 5 s of Ctrl-C; what ran then goes on at the next start.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.cli.process_manager import Part, ProcessManager
from orchestrator.client import Client, FlowRun

CHECKOUT = Path(__file__).resolve().parents[2]
TAXI = Path("deploy/examples/taxi")
HEADGATE = [sys.executable, "-P", "-m", "orchestrator"]  # the same command as `headgate`
QUEUE, SLOTS = "ml", 2
DEPLOYMENT = "main/model_training"
NEWEST = 30
READY_WITHIN = 200  # looks of a tenth of a second


class Example:
    """Tells what happens. `manager` is set before the parts start, and knows of Ctrl-C."""

    manager: ProcessManager

    def __init__(self, client: Client, home: Path) -> None:
        self.client = client
        self.home = home
        self.told: dict[str, tuple[str, int, int]] = {}  # run -> state, attempt and how many moves were told
        self.run_id = ""
        self.position: str | None = None

    # ------------------------------------------------------------------ the start, in order
    def begin(self) -> None:
        """Everything up to what to try next; left early when Ctrl-C comes."""
        for step in (self.tell_parts, self.train_once, self.train_monthly, self.tell_what_to_try):
            if self.manager.signals:
                return
            step()

    def tell_parts(self) -> None:
        """What was started, and what an earlier time left behind."""
        say(f"Redis {self.client.server_version()} (embedded), data in {shown(self.home)}")
        for part in self.manager.parts:
            say(f"{part.name} started, pid {part.pid}, its messages in {shown(log_file(self.home, part.name))}")
        old = self.client.list_flow_runs(limit=NEWEST)
        self.told = {run.id: (run.state, run.attempt, -1) for run in old}
        if old:
            count = f"the newest {NEWEST}" if len(old) == NEWEST else f"{len(old)}"
            say(f"runs of earlier starts are still there: {count}, the last is {old[0].name}, {old[0].state}")

    def train_once(self) -> None:
        """The example's trips and its first deployment, side by side; then one run that waits for no schedule."""
        trips = self.start([sys.executable, str(TAXI / "make_data.py")])
        self.deploy("train.py")
        say(f"trips in {TAXI / 'data'}: {len(self.finished(trips))} months")
        self.wait_for(lambda: any(a.state == "running" and QUEUE in a.queues for a in self.client.list_agents()))
        if not self.manager.signals:
            run = self.client.run_deployment(DEPLOYMENT)
            self.run_id = run.id
            say(f"started one run by hand: {run.name} ({run.id})")

    def train_monthly(self) -> None:
        """The second deployment, and both with their next instants."""
        self.deploy("monthly.py")
        for deployment in self.client.list_deployments(work_queue=QUEUE):
            schedules = ", ".join(schedule.text for schedule in deployment.schedules)
            say(f"{deployment.name} runs {schedules}; next {local(deployment.next_scheduled_time)}")

    def tell_what_to_try(self) -> None:
        """Commands for a second terminal."""
        commands = (
            "work-queue ls",
            f"work-queue preview {QUEUE}",
            "flow-run ls",
            f"flow-run logs {self.run_id[:8]}",
            f"flow-run explain {self.run_id[:8]}",
            f"deployment run {DEPLOYMENT} -p date='\"2021-03-15\"' --watch",
            "agent ls",
        )
        print(f"\nTry in a second terminal, in this folder:\n\n  export HEADGATE_HOME=$PWD/{shown(self.home)}")
        print(*(f"  .venv/bin/headgate {command}" for command in commands), sep="\n")
        print("\nCtrl-C ends everything; `make run` again goes on where this stops.\n", flush=True)

    def deploy(self, name: str) -> None:
        """`headgate deployment create`, with what it prints."""
        process = self.start([*HEADGATE, "deployment", "create", str(TAXI / name)])
        print(f"\n$ headgate deployment create {TAXI / name}", *self.finished(process), "", sep="\n", flush=True)

    # ------------------------------------------------------------------ afterwards, again and again
    def follow(self) -> None:
        """Print what is new, in order of time: log lines of the run by hand, and moves of every run."""
        news: list[tuple[datetime, str]] = []
        if self.run_id:
            for line in self.client.read_logs(self.run_id, after=self.position):
                self.position = line.position
                news.append((line.timestamp, f"| {line.message}"))
        for run in reversed(self.client.list_flow_runs(limit=NEWEST)):
            state, attempt, moves = self.told.get(run.id, ("", 0, 0))
            if (state, attempt) != (run.state, run.attempt):
                news += self.moves(run, moves)
        for moment, text in sorted(news, key=lambda new: new[0]):
            print(f"  {local(moment)}  {text}", flush=True)

    def moves(self, listed: FlowRun, told: int) -> list[tuple[datetime, str]]:
        """The moves of a run that were not told yet; of a run of an earlier start only the newest."""
        run = self.client.get_flow_run(listed.id)
        self.told[run.id] = (run.state, run.attempt, len(run.state_history))
        news = []
        for move in run.state_history[told:]:
            why = f"  ({move.reason})" if move.reason else ""
            result = f"  result {run.result}" if move.state == "COMPLETED" else ""
            news.append((move.timestamp, f"{run.name:<24} {move.state}{why}{result}"))
        return news

    # ------------------------------------------------------------------ waiting without going deaf
    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Look every tenth of a second until the condition holds; Ctrl-C ends the wait."""
        for _ in range(READY_WITHIN):
            if self.manager.signals or condition():
                return
            for part in self.manager.parts:
                if not part.alive:
                    raise SystemExit(f"{part.name} has ended:\n{log_file(self.home, part.name).read_text()[-2000:]}")
            self.manager.wait(0.1)
        raise SystemExit(f"not ready after {READY_WITHIN / 10:.0f} s; see {shown(self.home)}/*.log")

    def start(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        """A command of the checkout, with all it prints readable in one pipe."""
        return subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=environment(self.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finished(self, process: "subprocess.Popen[str]") -> list[str]:
        """The lines of a command that has ended well; the example ends with what it said otherwise."""
        while process.poll() is None:
            self.manager.wait(0.1)
            if self.manager.signals:
                process.terminate()
        output = process.stdout.read() if process.stdout else ""
        if process.returncode and not self.manager.signals:
            raise SystemExit(f"{shlex.join(map(str, process.args))} failed ({process.returncode}):\n{output}")
        return output.splitlines()


def environment(home: Path) -> dict[str, str]:
    """This shell's variables with a Headgate of the checkout's own, never the one the user otherwise works with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    own = {"HEADGATE_HOME": str(home), "HEADGATE_CONFIG_FILE": os.devnull}
    # Short enough that Ctrl-C ends everything within 5 s; what ran goes back to its queue and on at the next start.
    return kept | own | {"HEADGATE_DRAIN_SECONDS": "1", "HEADGATE_KILL_SECONDS": "1"}


def log_file(home: Path, name: str) -> Path:
    """Where a part's messages go."""
    return home / f"{name.lower().replace(' ', '-')}.log"


def part(home: Path, name: str, *words: str) -> Part:
    """A part that writes its messages to a file, so that the story stays readable."""
    into = shlex.quote(str(log_file(home, name)))
    command = ["/bin/sh", "-c", f'exec "$0" "$@" >>{into} 2>&1', *HEADGATE, *words]
    return Part(name=name, command=command, environment=environment(home))


def say(text: str) -> None:
    """One line of the story."""
    print(f"headgate: {text}", flush=True)


def shown(path: Path) -> str:
    """A path as short as it can be from the checkout."""
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)


def local(moment: datetime | None) -> str:
    """A moment on the clock of this machine; the date too when it is not today."""
    if moment is None:
        return "never"
    here = moment.astimezone()
    same_day = here.date() == datetime.now(UTC).astimezone().date()
    return here.strftime("%H:%M:%S" if same_day else "%a %d %b %Y %H:%M %Z")


def main() -> int:
    """Run until Ctrl-C; the exit code is that of a part that could not start."""
    parser = argparse.ArgumentParser(prog="make run", description="Headgate on this machine, with the taxi example.")
    parser.add_argument("--home", type=Path, default=CHECKOUT / ".headgate", help="where all data go (.headgate)")
    home = parser.parse_args().home.resolve()
    home.mkdir(mode=0o700, exist_ok=True)
    chosen = environment(home)
    os.environ.clear()
    os.environ.update(chosen)
    with Client.from_settings() as client:
        if QUEUE not in {queue.name for queue in client.list_work_queues()}:
            client.create_work_queue(QUEUE, limit=SLOTS)
        example = Example(client, home)
        parts = [
            part(home, "Redis and scheduler", "start", "--no-agent"),
            part(home, "agent", "agent", "start", "-q", QUEUE, "-q", "default", "--limit", str(SLOTS)),
        ]
        example.manager = ProcessManager(parts, say, watch=example.follow, patience=3.5)
        code = example.manager.run(example.begin)
    say("everything has ended; `make run` goes on from here")
    return code


if __name__ == "__main__":
    # Commands in the background of a shell begin with SIGINT ignored; this one is to be ended by it all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(CHECKOUT)
    sys.exit(main())
