"""One verb for many runs: choose, count, ask, do it in steps with progress, and tell what became of each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.cli.confirm import confirm
from orchestrator.cli.failures import CommandError
from orchestrator.cli.output import Columns, Output
from orchestrator.cli.progress import Progress
from orchestrator.cli.run_rows import LESS_NEEDED, RUNS
from orchestrator.cli.selection import selects

if TYPE_CHECKING:
    from orchestrator.client import Client
    from orchestrator.client.run_values import Chosen, RunOutcome
    from orchestrator.client.values import FlowRun

OUTCOMES: Columns = {
    "ID": "id",
    "Name": "name",
    "Outcome": "outcome",
    "State": "state",
    "New ID": "new_id",
    "Message": "message",
}
SHOWN = 20
"""Rows that a terminal shows of what was refused, or would be done."""
READ_AT_ONCE = 1_000


class Verb(NamedTuple):
    """What is done to runs, in the words of its messages; `states` are those that allow it."""

    word: str
    did: str
    doing: str
    states: Sequence[str]
    destroys: bool = False

    def choose(self, opened: Client, which: dict[str, Any]) -> Chosen:
        """The runs that options choose for it."""
        chooser = {"cancel": opened.cancellable, "retry": opened.retryable, "delete": opened.deletable}
        return chooser[self.word](**which)

    def do(self, opened: Client, chosen: Chosen, named: bool) -> Iterator[list[RunOutcome]]:
        """Does it, step by step."""
        if self.word == "retry":
            return opened.retry_many(chosen.ids, again=named)
        if self.word == "cancel":
            return opened.cancel_many(chosen.ids, states=chosen.states)
        return opened.delete_many(chosen.ids)


def check_choice(verb: Verb, runs: Sequence[str], which: dict[str, Any]) -> None:
    """Refuses a command that chooses nothing, or in two ways; before anything is connected to."""
    if runs and which:
        text, hint = "expected names of runs or options that choose them, got both", "leave out one of them"
    elif not runs and not selects(which):
        text = f"expected names of runs to {verb.word}, or options that choose them"
        hint = f"as in `headgate flow-run {verb.word} --deployment FLOW/NAME`; --dry-run shows which they are"
    else:
        return
    raise CommandError(text, exit_code=2, code="usage", field="RUN", hint=hint)


def change_many(
    verb: Verb, output: Output, opened: Client, runs: Sequence[str], which: dict[str, Any], *, yes: bool, dry_run: bool
) -> None:
    """Does it to runs that are named or chosen; CommandError with exit code 4 when some were refused."""
    from orchestrator.client.run_values import Chosen

    chosen = Chosen(ids=tuple(opened.flow_run_ids(runs))) if runs else verb.choose(opened, which)
    if chosen.left_out:
        output.note(f"{counted(chosen.left_out)} retried before: left out. Name one to retry it again.")
    ids = chosen.ids
    if not ids:
        output.note(f"There are no such runs to {verb.word}.")
        if output.form == "json":
            output.json([])
    elif dry_run:
        foretell(verb, output, opened, ids)
    else:
        if verb.destroys or not runs:
            confirm(f"{verb.word.capitalize()} {counted(len(ids))}?", yes=yes)
        tell(verb, output, carry_out(verb, output, verb.do(opened, chosen, bool(runs)), len(ids)))


def foretell(verb: Verb, output: Output, opened: Client, ids: Sequence[str]) -> None:
    """Prints the runs as `ls` does, and on stderr what would become of them."""
    shown = ids[:SHOWN] if output.terminal else ids
    rows: list[FlowRun] = []
    for at in range(0, len(shown), READ_AT_ONCE):
        rows += opened.flow_runs(shown[at : at + READ_AT_ONCE])
    output.rows(rows, RUNS, empty="They are gone.", optional=LESS_NEEDED)
    more = f" ({len(ids) - len(shown):,} more are not shown)" if len(shown) < len(ids) else ""
    refused = [run for run in rows if run.state not in verb.states]
    would = f"Would {verb.word} {counted(len(ids) - len(refused))}{more}"
    but = f"; {named(refused)} would be refused" if refused else ""
    output.note(f"{would}{but}. Nothing was changed.")


def carry_out(verb: Verb, output: Output, steps: Iterator[list[RunOutcome]], total: int) -> list[RunOutcome]:
    """Takes the steps, and says how far it has come; when it is interrupted, how far it came."""
    done: list[RunOutcome] = []
    progress = Progress(verb.doing, total)
    try:
        for step in steps:
            done += step
            progress.at(len(done))
    except BaseException:
        progress.end()
        output.note(f"{verb.did} {len(done):,} of {total:,} flow runs; the same command again does the rest.")
        raise
    progress.end()
    return done


def tell(verb: Verb, output: Output, outcomes: Sequence[RunOutcome]) -> None:
    """Prints what became of each run; a terminal gets the sum, and those to which it was not done."""
    refused = [one for one in outcomes if one.outcome == "refused"]
    if not output.terminal:
        output.rows(outcomes, OUTCOMES, empty="")
    output.note(summary(verb, outcomes))
    if not refused:
        return
    if output.terminal:
        output.table(refused[:SHOWN], {"Name": "name", "State": "state", "Why": "message"})
    text = f"{len(refused):,} of {counted(len(outcomes))} could not be changed"
    hint = None if len(refused) <= SHOWN or not output.terminal else "-o json tells all of them"
    raise CommandError(text, exit_code=4, code="refused", hint=hint)


def summary(verb: Verb, outcomes: Sequence[RunOutcome]) -> str:
    """How many were done, are under way, and were so before."""
    done = sum(one.outcome == "done" for one in outcomes)
    same = sum(one.outcome == "unchanged" for one in outcomes)
    ending = sum(one.state == "CANCELLING" for one in outcomes if one.outcome == "done")
    text = f"{verb.did} {counted(done)}"
    text += f", {ending:,} of them once their processes have ended" if ending else ""
    return text + (f"; {same:,} {'was' if same == 1 else 'were'} so already." if same else ".")


def counted(number: int) -> str:
    """`1 flow run`, `12,345 flow runs`."""
    return f"{number:,} flow run{'' if number == 1 else 's'}"


def named(runs: Sequence[FlowRun]) -> str:
    """A few runs with their states, and how many more."""
    few = ", ".join(f"{run.name} ({run.state})" for run in runs[:3])
    return few + (f" and {len(runs) - 3:,} more" if len(runs) > 3 else "")
