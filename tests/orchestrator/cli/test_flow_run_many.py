"""`headgate flow-run cancel|retry|delete` of many runs, and the options by which runs are chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from orchestrator.cli.flow_run_changes import CANCEL, DELETE
from orchestrator.cli.flow_run_many import carry_out, tell
from orchestrator.cli.output import Output
from orchestrator.client.run_values import RunOutcome
from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import Worker, spec
from tests.support.terminal import Terminal

VERBS = ("cancel", "retry", "delete")
OUTCOME_KEYS = ["id", "name", "outcome", "state", "new_id", "message"]


def ended(client: Any, worker: Worker, count: int, state: str = "FAILED") -> list[Any]:
    """Runs that have ended, oldest first."""
    runs = [client.run_deployment("score/nightly") for _ in range(count)]
    for _ in runs:
        worker.run_one(state=state)
    return runs


def ids(runs: Sequence[Any]) -> list[str]:
    return [run.id for run in runs]


def test_runs_are_chosen_by_time_flow_tag_and_exception(headgate: Headgate, deployed: Any, worker: Worker) -> None:
    deployed.create_from_spec(spec(name="other", flow="load", tags=["ml"]))
    first, second = ended(deployed, worker, 2)
    third = deployed.run_deployment("load/other")

    def found(*words: str) -> list[str]:
        return headgate("flow-run", "ls", "--ids-only", *words).out.split()

    assert found("--since", "00:00", "--except", first.name) == [third.id, second.id]
    assert found("--flow", "load", "--tag", "ml") == [third.id]
    assert found("--state", "failed", "--since", "1h", "-l", "1", "-o", "jsonl") == [f'"{second.id}"']


def test_everything_that_failed_is_retried_but_for_some_and_once(
    headgate: Headgate, deployed: Any, worker: Worker
) -> None:
    one, two, three = ended(deployed, worker, 3)
    command = ("flow-run", "retry", "--since", "00:00", "--except", two.name, "--yes")
    outcomes = headgate.json(*command)
    assert [list(outcome) for outcome in outcomes] == [OUTCOME_KEYS, OUTCOME_KEYS]
    assert [(outcome["id"], outcome["outcome"]) for outcome in outcomes] == [(one.id, "done"), (three.id, "done")]
    assert deployed.get_flow_run(outcomes[0]["new_id"]).retry_of == one.id
    again = headgate(*command, "-o", "json")
    assert again.json() == [] and again.err.startswith("2 flow runs retried before: left out.")


@pytest.mark.slow
def test_runs_that_are_named_are_retried_however_often(headgate: Headgate, deployed: Any, worker: Worker) -> None:
    names = [run.name for run in ended(deployed, worker, 2)]
    made = {outcome["new_id"] for _ in range(2) for outcome in headgate.json("flow-run", "retry", *names)}
    assert len(made) == 4


def test_nothing_is_destroyed_where_nobody_can_be_asked(
    headgate: Headgate, deployed: Any, worker: Worker, contents: Any
) -> None:
    (run,) = ended(deployed, worker, 1)
    deployed.run_deployment("score/nightly")
    before = contents()
    for words in (["delete", run.id], ["retry", "--state", "failed"], ["cancel", "--queue", "default"]):
        answer = headgate("flow-run", *words, stdin="y\n", code=2)
        assert answer.out == "" and "nobody can be asked here" in answer.err and "--yes does it" in answer.err
    assert contents() == before


def test_a_dry_run_shows_the_runs_and_changes_nothing(
    headgate: Headgate, deployed: Any, worker: Worker, contents: Any
) -> None:
    (over,), waiting = ended(deployed, worker, 1), deployed.run_deployment("score/nightly")
    before = contents()
    shown = {verb: headgate("flow-run", verb, "--since", "1h", "--dry-run", "-o", "json") for verb in VERBS}
    found = {verb: [run["id"] for run in answer.json()] for verb, answer in shown.items()}
    assert found == {"cancel": [waiting.id], "retry": [over.id], "delete": [over.id]}
    assert shown["delete"].err == "Would delete 1 flow run. Nothing was changed.\n"
    both = headgate("flow-run", "cancel", over.id, waiting.id, "--dry-run")
    assert both.err == f"Would cancel 1 flow run; {over.name} (FAILED) would be refused. Nothing was changed.\n"
    assert contents() == before


def test_some_refused_and_the_others_done_is_exit_4(headgate: Headgate, deployed: Any, worker: Worker) -> None:
    (over,), waiting = ended(deployed, worker, 1), deployed.run_deployment("score/nightly")
    answer = headgate("flow-run", "delete", over.name, waiting.name, "--yes", "-o", "json", code=4)
    assert [(one["id"], one["outcome"], one["state"]) for one in answer.json()] == [
        (over.id, "done", None),
        (waiting.id, "refused", "QUEUED"),
    ]
    assert answer.error()["code"] == "refused" and "1 of 2 flow runs" in answer.error()["message"]
    rows = headgate("flow-run", "cancel", waiting.id, waiting.name, waiting.id[:13]).out.splitlines()
    assert [row.split("\t")[2:4] for row in rows] == [["Outcome", "State"], ["done", "CANCELLED"]]


def test_one_unknown_name_among_many_changes_nothing(headgate: Headgate, deployed: Any, contents: Any) -> None:
    run = deployed.run_deployment("score/nightly")
    before = contents()
    for words in ([run.id, "no-such-run"], ["--queue", "default", "--except", "no-such-run", "--yes"]):
        assert "no flow run 'no-such-run'" in headgate("flow-run", "cancel", *words, code=3).err
    for option, value in (("--deployment", "score/nihgtly"), ("--queue", "defualt")):
        assert value in headgate("flow-run", "cancel", option, value, "--yes", code=3).err
    assert contents() == before


WRONG = [
    (["cancel"], "expected names of runs to cancel"),
    (["delete", "--except", "x"], "expected names of runs to delete"),
    (["retry", "x", "--state", "failed"], "got both"),
    (["cancel", "--state", "COMPLETED"], "expected one of SCHEDULED, QUEUED"),
    (["retry", "--state", "running"], "expected one of COMPLETED, FAILED"),
    (["delete", "--since", "yesterday"], "expected a time such as 2h (ago), 02:00"),
    (["delete", "--since", "2999-01-01T00:00:00Z"], "expected a time that has passed"),
    (["delete", "--since", "1h", "--until", "2h"], "expected --since to be earlier than --until"),
    (["ls", "--queue", "a{b}c"], "expected a name"),
    (["ls", "--limit", "0"], "a whole number from 1"),
]


@pytest.mark.parametrize("words, said", WRONG)
def test_a_wrong_choice_is_refused_before_anything_is_connected_to(
    offline: Headgate, words: list[str], said: str
) -> None:
    assert said in offline("flow-run", *words, code=2).err


@pytest.fixture
def terminal(headgate: Headgate) -> Callable[..., Terminal]:
    """Starts a `flow-run` command on a terminal."""

    def start(*words: str) -> Terminal:
        command = headgate.command(["flow-run", *words])
        return Terminal(command, environment=headgate.environment, folder=headgate.folder)

    return start


def test_a_person_is_asked_and_answers(
    terminal: Callable[..., Terminal], deployed: Any, worker: Worker, contents: Any
) -> None:
    ended(deployed, worker, 2)
    before = contents()
    with terminal("delete", "--deployment", "score/nightly") as asked:
        asked.shows("Delete 2 flow runs? [y/N] ")
        asked.press("\n")
        assert asked.ends() == 1 and "nothing was changed" in asked.screen()
    with terminal("delete", "--deployment", "score/nightly") as asked:
        asked.shows("[y/N] ")
        asked.press("\x03")
        assert asked.ends() == 130 and contents() == before
    with terminal("delete", "--deployment", "score/nightly") as asked:
        asked.shows("[y/N] ")
        asked.press("y\n")
        assert asked.ends() == 0 and asked.screen().endswith("Deleted 2 flow runs.\n")
    assert deployed.list_flow_runs() == []


def test_a_deleted_run_is_gone_and_a_running_one_stays(
    headgate: Headgate, deployed: Any, worker: Worker, contents: Any
) -> None:
    (over,), going = ended(deployed, worker, 1), deployed.run_deployment("score/nightly")
    worker.start()
    assert headgate.json("flow-run", "delete", over.name, "--yes") == {
        "id": over.id,
        "name": over.name,
        "state": "FAILED",
    }
    before = contents()
    refused = headgate("flow-run", "delete", going.id, "--yes", code=4).err
    assert f"{going.name} is RUNNING since" in refused and f"headgate flow-run cancel {going.id}" in refused
    assert headgate("flow-run", "delete", over.id, "--yes", code=3).out == "" and contents() == before


def test_a_cancel_by_state_spares_what_an_agent_took_meanwhile(deployed: Any, worker: Worker) -> None:
    run = deployed.run_deployment("score/nightly")
    chosen = CANCEL.choose(deployed, {"states": ["QUEUED"]})
    worker.start()
    ((one,),) = CANCEL.do(deployed, chosen, False)
    assert (one.id, one.outcome, one.state) == (run.id, "refused", "RUNNING")


def outcome(number: int, kind: str = "done") -> RunOutcome:
    return RunOutcome(id=str(number), name=f"run-{number}", outcome=kind, state=None, new_id=None, message="why")


def test_an_interrupted_command_says_how_far_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    def steps() -> Iterator[list[RunOutcome]]:
        yield [outcome(number) for number in range(100)]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(DELETE, Output(), steps(), 1234)
    assert capsys.readouterr().err == "Deleted 100 of 1,234 flow runs; the same command again does the rest.\n"


def test_the_sum_tells_what_was_so_already(capsys: pytest.CaptureFixture[str]) -> None:
    tell(DELETE, Output(), [outcome(1), outcome(2, "unchanged"), outcome(3, "unchanged")])
    assert capsys.readouterr().err == "Deleted 1 flow run; 2 were so already.\n"
