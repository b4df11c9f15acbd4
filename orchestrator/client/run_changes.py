"""The client's verbs that end or remove runs: cancel and delete, one or many."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Unpack

from orchestrator.client import views
from orchestrator.client.access import Access
from orchestrator.client.run_values import Chosen, RunDeleted, RunOutcome
from orchestrator.client.selection import Which, excluded, filter_of
from orchestrator.client.values import Cancelled
from orchestrator.errors import Invalid, RefusedByState, expected
from orchestrator.runs import run_name
from queues import errors as queue_errors
from queues.records import Run
from queues.runs import Done
from queues.states import HELD, TERMINAL, State

WAITING = (State.SCHEDULED, State.QUEUED, State.PAUSED)
WORKING = (State.PENDING, State.RUNNING)
ENDED = tuple(state for state in State if state in TERMINAL)
TOO_LATE = "it can not be cancelled any more"
TOO_EARLY = "only an ended run can be deleted"


class RunChangeVerbs(Access):
    """Cancel and delete."""

    def flow_run_ids(self, refs: Iterable[str]) -> list[str]:
        """The ids of runs, each once, in the order given; raises NotFound and Ambiguous."""
        return list(dict.fromkeys(self.store.runs.find(ref).id for ref in refs))

    def cancel(self, ref: str, *, reason: str | None = None, request_id: str | None = None) -> Cancelled:
        """End a waiting run at once, or have its agent end a running one; cancelling twice is one cancel.

        Raises RefusedByState when the run has ended otherwise.
        """
        run = self.store.runs.find(ref)
        try:
            done = self.store.records.cancel(run.id, actor=self.actor, reason=reason or "", request_id=request_id)
        except queue_errors.RefusedByState as refused:
            raise refusal(run, refused.state, refused.since_us, TOO_LATE) from refused
        return Cancelled(id=run.id, name=views.name_of(run), state_before=done.state_before, state=done.state)

    def delete(self, ref: str) -> RunDeleted:
        """Remove an ended run with its log, its tasks and everything else. Raises RefusedByState while it goes on."""
        run = self.store.runs.find(ref)
        ((done,),) = self.store.records.delete_many([run.id], actor=self.actor)
        if done.before is None:
            if done.problem is not None:
                raise RefusedByState(f"flow run {views.name_of(run)} can not be deleted: {done.problem}")
            hint = None if done.state == State.CANCELLING else f"`headgate flow-run cancel {run.id}` ends it"
            raise refusal(run, done.state or run.state, done.since_us or run.created_us, TOO_EARLY, hint)
        return RunDeleted(id=run.id, name=views.name_of(run), state=done.before)

    def cancellable(self, **which: Unpack[Which]) -> Chosen:
        """The runs that fit and have not ended: those that wait first, so that no freed slot starts one of them."""
        states = allowed(which, (*WAITING, *WORKING))
        waiting = self._chosen(which, [state for state in states if state not in HELD])
        held = self._chosen(which, [state for state in states if state in HELD])
        ids = tuple(dict.fromkeys((*waiting, *held)))  # one of them may have been claimed in between
        return Chosen(ids=ids, states=tuple(states) if which.get("states") else ())

    def deletable(self, **which: Unpack[Which]) -> Chosen:
        """The runs that fit and have ended."""
        return Chosen(ids=self._chosen(which, allowed(which, ENDED)))

    def cancel_many(
        self, run_ids: Iterable[str], *, reason: str | None = None, states: Sequence[str] = ()
    ) -> Iterator[list[RunOutcome]]:
        """Cancel runs by id, a hundred per step; each step gives what became of its runs.

        With `states`, as `cancellable` gives them, those that have left these by now are refused and go on.
        """
        moved_on = f"it is not {' or '.join(states)} any more"
        steps = self.store.records.cancel_many(run_ids, actor=self.actor, reason=reason or "", states=states)
        for step in steps:
            yield [outcome_of(done, TOO_LATE if done.state in ENDED else moved_on) for done in step]

    def delete_many(self, run_ids: Iterable[str]) -> Iterator[list[RunOutcome]]:
        """Delete runs by id, a hundred per step; each step gives what became of its runs."""
        for step in self.store.records.delete_many(run_ids, actor=self.actor):
            yield [outcome_of(done, TOO_EARLY) for done in step]

    def _chosen(self, which: Which, states: Iterable[str]) -> tuple[str, ...]:
        """Ids of runs in these states, oldest first: they stand first in their lines, where they are found at once."""
        if not (named := tuple(states)):
            return ()
        wanted = filter_of(self.store, {**which, "states": named})
        found = list(chain.from_iterable(self.store.runs.ids(wanted)))
        out = excluded(self.store, which)
        return tuple(run_id for run_id in reversed(found) if run_id not in out)


def allowed(which: Which, states: tuple[State, ...]) -> list[State]:
    """The states that were asked for, all of `states` when none was; raises Invalid for one that is not among them."""
    asked = which.get("states") or states
    for state in asked:
        if state.upper() not in states:
            raise Invalid(expected("a state", f"one of {', '.join(states)}", state), field="state")
    return [State(state.upper()) for state in asked]


def outcome_of(done: Done, rule: str) -> RunOutcome:
    """What became of a run, in the client's words; `rule` is why its state refuses it."""
    outcome, message = "done", None
    if done.before is not None:
        outcome = "unchanged" if done.before == done.state else "done"
        message = "its agent ends its processes" if done.state == State.CANCELLING else None
    elif done.problem is not None or done.state is not None:
        since = f" since {views.utc_text(done.since_us)}" if done.since_us else ""
        outcome, message = "refused", done.problem or f"it is {done.state}{since}: {rule}"
    else:
        outcome, message = "refused", "there is no such run any more"
    return RunOutcome(
        id=done.id, name=run_name(done.id), outcome=outcome, state=done.state, new_id=None, message=message
    )


def refusal(run: Run, state: str, since_us: int, what: str, hint: str | None = None) -> RefusedByState:
    """The error of a verb that the state of a run does not allow."""
    text = f"flow run {views.name_of(run)} is {state} since {views.utc_text(since_us)}: {what}"
    return RefusedByState(text, field="FLOW_RUN", hint=hint)
