"""What is typed on the stage, in order: a first evening, then a night in which things go wrong.

The outputs go to the page in the order of the commands, not of the story; the questions of the night go to
docs/operating.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli_page.stage import Stage, Step, Typed, end

FLOWS = '''"""The flows of this page: orders that are read every night, and a model that is trained from them."""

import time
from datetime import timedelta
from pathlib import Path

from orchestrator import flow, get_run_logger, task
from orchestrator.deployments import DeploymentSpec
from orchestrator.schedules import CronSchedule, IntervalSchedule

CURRENCIES = {"rome": "EUR", "oslo": "NOK"}


@task
def currency(shop: str) -> str:
    return CURRENCIES[shop]


@flow
def ingest(shop: str = "rome"):
    get_run_logger().info("reading the orders of %s", shop)
    print(f"the prices of {shop} are in", currency(shop).result())
    return shop


@flow
def train(epochs: int = 90):
    print(f"training, {epochs} epochs")
    while not Path("@FOLDER@/trained").exists():
        time.sleep(0.05)


NIGHTLY = CronSchedule("0 2 * * *", timezone="Europe/Paris")
DeploymentSpec(flow=ingest, name="nightly", schedule=NIGHTLY, work_queue="etl", tags=["orders"])
DeploymentSpec(flow=train, name="model", schedule=IntervalSchedule(timedelta(hours=6)), work_queue="gpu", tags=["ml"])
'''


@dataclass(frozen=True, kw_only=True)
class Question:
    """What somebody wants to know or do at night, and the commands for it: two at most."""

    text: str
    steps: tuple[Step, ...]
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Act:
    """A part of the story: what happens without being shown, what is typed for the page, and a question."""

    happens: Callable[[Stage], None] = lambda stage: None
    steps: Sequence[Step] = ()
    question: Question | None = None


def scheduler_and_agents(stage: Stage) -> None:
    """What stays up all night."""
    stage.begin("head", "scheduler", "start")
    stage.begin_agent("gpu-1", "gpu", limit=4)
    stage.begin_agent("gpu-2", "gpu", limit=4)
    stage.begin_agent("etl-1", "etl", "default", limit=4)


def night_falls(stage: Stage) -> None:
    """Two trainings take both slots of their queue, a third waits until it is late, three of four ingests fail."""
    for key in ("first", "second", "late"):
        stage.run(key, "train/model")
        if key != "late":
            stage.reaches(key, "RUNNING")
    for key, shop in (("rome", "rome"), ("bonn", "bonn"), ("lima", "lima"), ("test", "test-shop")):
        stage.run(key, "ingest/nightly", shop=shop)
        stage.reaches(key, "COMPLETED", "FAILED")
    stage.is_late("late")


def orders_pile_up(stage: Stage) -> None:
    """Nobody takes what waits for the queue `scratch`."""
    stage.client.set_work_queue("ingest/nightly", "scratch")
    for key in ("waiting", "more", "most"):
        stage.run(key, "ingest/nightly")


def trainings_end(stage: Stage) -> None:
    """The models are trained."""
    Path(stage.folder / "trained").touch()
    for key in ("first", "second", "late"):
        stage.reaches(key, "COMPLETED")


SETTING_UP = Act(
    steps=[
        Step(line="version"),
        Step(line="start --agent-limit 2", until="agent started", keys="\x03", alone=True),
        Step(line="profile create lab"),
        Step(line="profile use lab"),
        Step(line="config set late_seconds 30"),
        Step(line="config set redis_url -", stdin="rediss://headgate:secret@redis.lab:6380"),
        Step(line="profile inspect lab"),
        Step(line="profile ls"),
        Step(line="config view"),
        Step(line="config unset late_seconds"),
        Step(line="profile rename lab old-lab"),
        Step(line="profile use default"),
        Step(line="profile delete old-lab", until="[y/N]", keys="y\n"),
        Step(line="completion bash", lines=3),
        Step(line="work-queue create gpu --limit 2"),
        Step(line="work-queue create etl --limit 4 --priority 2"),
        Step(line="work-queue create scratch"),
        Step(line="work-queue set-env etl REGION=eu LEDGER=orders"),
        Step(line="work-queue unset-env etl LEDGER"),
        Step(line="deployment create flows.py"),
        Step(line="scheduler start", until="leads", keys="\x03"),
        Step(line="agent start -q etl -q default --name etl-1 --limit 4", until="started", keys="\x03"),
    ]
)
FIRST_RUNS = Act(
    happens=scheduler_and_agents,
    steps=[
        Step(line="deployment ls"),
        Step(line="deployment inspect ingest/nightly"),
        Step(line="deployment preview ingest/nightly -n 3"),
        Step(line="deployment run ingest/nightly -p shop=oslo --watch"),
        Step(line="flow ls"),
        Step(line="flow inspect ingest"),
        Step(line="agent ls"),
    ],
)
NIGHT = Act(
    happens=night_falls,
    steps=[
        Step(line="status"),
        Step(line="flow-run ls"),
        Step(line="flow-run explain {late}"),
        Step(line="flow-run inspect {bonn}"),
        Step(line="flow-run logs {rome}"),
        Step(line="work-queue ls"),
        Step(line="work-queue inspect gpu"),
        Step(line="work-queue preview gpu --hours 24"),
        Step(line="agent inspect gpu-1"),
    ],
)
LATE = Question(
    text="Why is this run late?",
    steps=(Step(line="flow-run ls --queue gpu"), Step(line="flow-run explain {late}")),
    meaning="The list says in one line what keeps each run waiting; `explain` says it in full, with who holds the "
    "slots, and the command that would change it.",
)
HOLDER = Question(
    text="Who holds the slots, and on which host?",
    steps=(Step(line="work-queue slots gpu"),),
    meaning="One line per slot. A lease that no agent renews ends, and its slot is free again.",
)
RAISE = Question(
    text="Raise the cap for two hours",
    steps=(
        Step(line="work-queue set-concurrency-limit gpu 3 --for 2h"),
        Step(line="work-queue inspect gpu"),
    ),
    meaning="The scheduler sets it back, also after a restart of everything. Setting the limit by hand before then "
    "keeps what was set.",
)
FAILING_LINE = Question(
    text="Find the failing line",
    steps=(
        Step(line="flow-run ls --state FAILED --since 02:00"),
        Step(line="flow-run logs {bonn} --level error"),
    ),
    meaning="The traceback begins at the flow; its last line is the error. `-f` follows a run that still goes on.",
)
RETRY = Question(
    text="Retry everything that failed since 2 AM, except one",
    steps=(
        Step(line="flow-run retry --state FAILED --since 02:00 --except {test} --dry-run"),
        Step(line="flow-run retry --state FAILED --since 02:00 --except {test}", until="[y/N]", keys="y\n"),
    ),
    meaning="`--dry-run` shows what would be done. Without a terminal the second command needs `--yes`.",
)
OUT_OF_SERVICE = Question(
    text="Take a machine out of service",
    steps=(Step(line="agent drain gpu-1"), Step(line="agent ls")),
    meaning="A draining agent takes no further run; when its last one has ended it leaves the list, and the machine "
    "can be switched off. `agent stop` does not wait: it ends the runs and gives them back to their queue.",
)
WORK = Act(
    happens=orders_pile_up,
    steps=[
        Step(line="deployment set-work-queue ingest/nightly etl"),
        Step(line="deployment pause ingest/nightly"),
        Step(line="deployment resume ingest/nightly"),
        Step(line="flow-run cancel {waiting}"),
        Step(line="work-queue clear scratch", until="[y/N]", keys="y\n"),
        Step(line="work-queue delete scratch", until="[y/N]", keys="y\n"),
        Step(line="work-queue pause etl"),
        Step(line="work-queue resume etl"),
        Step(line="work-queue slots gpu"),
        Step(line="work-queue set-concurrency-limit gpu 3 --for 2h"),
        Step(line="work-queue clear-concurrency-limit gpu"),
        Step(line="concurrency-limit create ml 2"),
        Step(line="concurrency-limit ls"),
        Step(line="concurrency-limit inspect ml"),
        Step(line="concurrency-limit delete ml", until="[y/N]", keys="y\n"),
        Step(line="doctor"),
    ],
)
MORNING = Act(
    happens=trainings_end,
    steps=[
        Step(line="flow-run watch {late}"),
        Step(line="flow-run retry {lima}"),
        Step(line="flow-run delete {test}", until="[y/N]", keys="y\n"),
        Step(line="agent drain gpu-2"),
        Step(line="agent stop etl-1"),
        Step(line="deployment delete train/model", until="[y/N]", keys="y\n"),
    ],
)
ACTS = (
    SETTING_UP,
    FIRST_RUNS,
    NIGHT,
    Act(question=LATE),
    Act(question=HOLDER),
    Act(question=RAISE),
    Act(question=FAILING_LINE),
    Act(question=RETRY),
    WORK,
    Act(question=OUT_OF_SERVICE),
    MORNING,
)


def play(stage: Stage) -> tuple[list[Typed], dict[str, list[Typed]]]:
    """Everything that was typed: for the page of the commands, and by question."""
    shown: list[Typed] = []
    answers: dict[str, list[Typed]] = {}
    for act in ACTS:
        act.happens(stage)
        shown += [stage.type(step) for step in act.steps]
        if act.question:
            answers[act.question.text] = [stage.type(step) for step in act.question.steps]
    for role in stage.installation.roles:
        end(role)
    return shown, answers
