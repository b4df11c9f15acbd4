"""`make run`: the whole of Headgate on this machine, with the taxi example, told line by line until Ctrl-C.

Duties:
1. Redis (embedded), the scheduler and an agent, with their home in `.headgate/` of the checkout and nowhere else.
2. The example's trips, its work queue and its two deployments.
3. One run by hand, its log lines, and then a line for every change of state of every run.
4. Every process ended within 5 s of Ctrl-C; what ran then goes on at the next start.
"""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.cli.process_manager import Part, ProcessManager
from orchestrator.client import Client

CHECKOUT = Path(__file__).resolve().parents[2]
TAXI = Path("deploy/examples/taxi")
HOME = CHECKOUT / ".headgate"
BIN = Path(sys.executable).parent
QUEUE, SLOTS = "ml", 2
DEPLOYMENT = "main/model_training"
NEWEST = 30
READY_WITHIN = 200  # looks of a tenth of a second


class Example:
    """Tells what happens. `manager` is set before the parts start, and knows of Ctrl-C."""

    manager: ProcessManager

    def __init__(self, client: Client) -> None:
        self.client = client
        self.told: dict[str, tuple[str, int, int]] = {}  # run -> state, attempt and how many moves were printed
        self.run_id = ""
        self.position: str | None = None

    # ------------------------------------------------------------------ the start, in order
    def begin(self) -> None:
        """Everything up to the run by hand; left early when Ctrl-C comes."""
        for step in (self.tell_parts, self.make_trips_and_deploy, self.tell_deployments, self.run_by_hand):
            if self.manager.signals:
                return
            step()

    def tell_parts(self) -> None:
        """What was started, and what an earlier time left behind."""
        say(f"Redis {self.client.server_version()} (embedded), data in {shown(HOME)}")
        for part in self.manager.parts:
            if part.process:
                say(f"{part.name}, pid {part.process.pid}, its messages in {shown(log_file(part.name))}")
        old = self.client.list_flow_runs(limit=NEWEST)
        self.told = {run.id: (run.state, run.attempt, -1) for run in old}
        if old:
            newest = f"{old[0].name} {old[0].state}"
            say(f"history of earlier starts is there: {len(old)}{'+' * (len(old) == NEWEST)} runs, newest {newest}")
        self.wait_for(lambda: any(a.state == "running" and QUEUE in a.queues for a in self.client.list_agents()))
        for agent in self.client.list_agents():
            if agent.state == "running":
                say(f"agent {agent.name} listens on {', '.join(agent.queues)}, at most {agent.limit} runs at once")

    def make_trips_and_deploy(self) -> None:
        """Data, queue and deployments; loading pandas takes most of the time, so it is done side by side."""
        if QUEUE not in {queue.name for queue in self.client.list_work_queues()}:
            self.client.create_work_queue(QUEUE, limit=SLOTS)
        data = started([sys.executable, str(TAXI / "make_data.py")])
        commands = [["headgate", "deployment", "create", str(TAXI / name)] for name in ("train.py", "monthly.py")]
        deploys = [started([str(BIN / command[0]), *command[1:]]) for command in commands]
        trips = self.finished(data)
        say(f"trips in {TAXI / 'data'}: {len(trips)} months")
        for command, process in zip(commands, deploys, strict=True):
            print(f"\n$ {shlex.join(command)}", *self.finished(process), sep="\n", flush=True)

    def tell_deployments(self) -> None:
        """The deployments with their next instants."""
        print()
        for deployment in self.client.list_deployments(work_queue=QUEUE):
            schedules = ", ".join(schedule.text for schedule in deployment.schedules)
            say(f"{deployment.name}: {schedules}; next {local(deployment.next_scheduled_time)}")

    def run_by_hand(self) -> None:
        """One run without waiting for a schedule, and what to try meanwhile."""
        run = self.client.run_deployment(DEPLOYMENT)
        self.run_id = run.id
        say(f"started one run by hand: {run.name} ({run.id})")
        commands = (
            "work-queue ls",
            f"work-queue preview {QUEUE}",
            "flow-run ls",
            f"flow-run logs -f {run.name}",
            f"flow-run explain {run.name}",
            f"deployment run {DEPLOYMENT} -p date='\"2021-03-15\"' --watch",
            "agent ls",
        )
        print("\nIn a second terminal, in this folder:\n\n  export HEADGATE_HOME=$PWD/.headgate")
        print(*(f"  .venv/bin/headgate {command}" for command in commands), sep="\n")
        print("\nCtrl-C ends everything; `make run` again goes on where this stops.\n", flush=True)

    # ------------------------------------------------------------------ afterwards, again and again
    def follow(self) -> None:
        """Print what is new: log lines of the run by hand, and moves of every run."""
        if self.run_id:
            for line in self.client.read_logs(self.run_id, after=self.position):
                self.position = line.position
                print(f"  {local(line.timestamp)}  | {line.message}", flush=True)
        for run in reversed(self.client.list_flow_runs(limit=NEWEST)):
            state, attempt, moves = self.told.get(run.id, ("", 0, 0))
            if (state, attempt) != (run.state, run.attempt):
                self.tell_moves(run.id, moves)

    def tell_moves(self, run_id: str, moves: int) -> None:
        """One line per move of a run that was not printed yet; of a run of an earlier start only the newest."""
        run = self.client.get_flow_run(run_id)
        history = run.state_history
        for move in history[moves:]:
            why = f"  ({move.reason})" if move.reason else ""
            print(f"  {local(move.timestamp)}  {run.name:<24} {move.state}{why}", flush=True)
        if run.state == "COMPLETED" and run.id == self.run_id:
            print(f"  {local(run.end_time)}  {run.name:<24} result: {run.result}", flush=True)
        self.told[run_id] = (run.state, run.attempt, len(history))

    # ------------------------------------------------------------------ waiting without going deaf
    def wait_for(self, condition) -> None:
        """Look every tenth of a second until the condition holds; Ctrl-C ends the wait."""
        for _ in range(READY_WITHIN):
            if self.manager.signals or condition():
                return
            self.manager.wait(0.1)
        raise SystemExit(f"not ready after {READY_WITHIN / 10:.0f} s; see {shown(HOME)}/*.log")

    def finished(self, process: "subprocess.Popen[str]") -> list[str]:
        """The lines of a command that has ended well; the example ends with what it said otherwise."""
        while process.poll() is None:
            self.manager.wait(0.1)
            if self.manager.signals:
                process.terminate()
        output = process.stdout.read() if process.stdout else ""
        if process.returncode and not self.manager.signals:
            raise SystemExit(f"{shlex.join(process.args)} failed ({process.returncode}):\n{output}")
        return output.splitlines()


def environment() -> dict[str, str]:
    """This shell's variables with a Headgate of the checkout's own, never the one the user otherwise works with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    return kept | {"HEADGATE_HOME": str(HOME), "HEADGATE_DRAIN_SECONDS": "1", "HEADGATE_KILL_SECONDS": "1"}


def log_file(name: str) -> Path:
    """Where a part's messages go."""
    return HOME / f"{name.replace(' ', '-')}.log"


def part(name: str, *words: str) -> Part:
    """A part that writes its messages to a file, so that the story stays readable."""
    into = shlex.quote(str(log_file(name)))
    command = ["/bin/sh", "-c", f'exec "$0" "$@" >>{into} 2>&1', str(BIN / "headgate"), *words]
    return Part(name=name, command=command, environment=environment())


def started(command: Sequence[str]) -> "subprocess.Popen[str]":
    """A command of the checkout, with all it prints readable in one pipe."""
    return subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


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
    os.environ.clear()
    os.environ.update(environment())
    HOME.mkdir(mode=0o700, exist_ok=True)
    with Client.from_settings() as client:
        example = Example(client)
        parts = [
            part("headgate start", "start", "--no-agent"),
            part("agent", "agent", "start", "-q", QUEUE, "-q", "default", "--limit", str(SLOTS)),
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
