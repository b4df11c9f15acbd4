"""The client's verbs on flow runs: list, look into, follow, cancel, retry, explain."""

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.client import views
from orchestrator.client.access import Access, moment_us
from orchestrator.client.deployment_views import checked_parameters
from orchestrator.client.explain import explain
from orchestrator.client.scenes import row_of, scene_of
from orchestrator.client.values import Cancelled, Explanation, FlowRun, FlowRunDetail, LogLine
from orchestrator.errors import Invalid, RefusedByState, shown
from orchestrator.runs import new_run_id
from orchestrator.store.run_logs import Position
from orchestrator.store.runs import Filter, deployment_id_of, deployment_of, new_run
from queues import errors as queue_errors
from queues.clock import from_us
from queues.records import Run
from queues.states import State

REQUESTS = uuid.UUID("0b7c7e6e-3f5a-5d0c-8a54-8f2b1a7d9c11")
"""The namespace of run ids that are made from request ids."""

POLL_SECONDS = 0.1
LOG_BLOCK_MS = 500
LOG_PAGE = 1000
LATE_LINES_SECONDS = 10
"""How long a follower waits for lines that a run wrote and its agent has not shipped yet."""


def made_id(request_id: str | None) -> str:
    """The id of a new run: random, or always the same for one request."""
    return new_run_id() if request_id is None else str(uuid.uuid5(REQUESTS, request_id))


class FlowRunVerbs(Access):
    """What can be done with flow runs."""

    def get_flow_run(self, ref: str) -> FlowRunDetail:
        """Everything about one run: parameters, result, tasks, history, how its process ended."""
        run = self.store.runs.find(ref)
        records, fields = self.store.records, run.fields
        spec = self.store.spec_of(run) or {}
        given = views.decoded(records.data(run.id, "parameters"))
        error = records.data(run.id, "error")
        return FlowRunDetail(
            **row_of(self.store, run, self._late_us),
            deployment_id=deployment_id_of(run),
            revision=views.number(fields.get("revision")) or 0,
            code_version=fields.get("code"),
            created_by=run.history[0].actor if run.history else "",
            tags=tuple(fields["tags"].split("\n")) if fields.get("tags") else (),
            retry_of=fields.get("retry_of"),
            parameters=given if isinstance(given, dict) else dict(spec.get("parameters") or {}),
            state_history=views.moves(run),
            exit_code=views.number(fields.get("exit_code")),
            signal=fields.get("signal"),
            reason=run.reason or None,
            error=None if error is None else error.decode("utf-8", "replace"),
            result=views.decoded(records.data(run.id, "result")),
            tasks=tuple(views.task_run(task) for task in self.store.tasks.read(run.id)),
        )

    def list_flow_runs(
        self,
        *,
        limit: int = 50,
        states: Sequence[str] = (),
        deployment: str | None = None,
        work_queue: str | None = None,
        since: datetime | None = None,
        after: str | None = None,
    ) -> list[FlowRun]:
        """Runs, newest first. `since`: made at or after; `after`: the id of the last run of the page before."""
        which = Filter(
            states=tuple(known_state(state) for state in states) or None,
            deployment_id=None if deployment is None else self.store.deployments.find(deployment).id,
            queue=None if work_queue is None else self.store.queues.get(work_queue).name,
            since_us=0 if since is None else moment_us("since", since),
            after=after,
        )
        return self._listed(self.store.runs.page(limit, which))

    def read_logs(self, ref: str, *, after: str | None = None, limit: int = LOG_PAGE) -> list[LogLine]:
        """The lines that are there, in order; `after` is the `position` of the last line read."""
        return self._lines(self.store.runs.find(ref), position(after), limit)

    def follow_logs(self, ref: str, *, after: str | None = None) -> Iterator[LogLine]:
        """Lines as they come; ends when the run has ended and its last line was given."""
        run_id, at = self.store.runs.find(ref).id, position(after)
        patience = LATE_LINES_SECONDS * 1000 // LOG_BLOCK_MS
        while True:
            # The state is read before the lines: a run mostly ships its last line before it ends.
            run = self.store.records.get(run_id)
            if run is None:
                return
            lines = self._lines(run, at, LOG_PAGE)
            yield from lines
            if lines:
                at = Position.parse(lines[-1].position)
            elif run.is_terminal and (patience == 0 or has_all_lines(run, at)):
                return
            else:
                patience -= 1 if run.is_terminal else 0
                self.store.logs.wait(run_id, at, LOG_BLOCK_MS)

    def watch(self, ref: str, *, timeout: float | None = None) -> Iterator[FlowRun]:
        """The run as it is now, then once for each of its moves; ends with its end, or after `timeout` seconds."""
        run_id = self.store.runs.find(ref).id
        deadline = None if timeout is None else time.monotonic() + timeout
        seen: int | None = None
        while (run := self.store.records.get(run_id)) is not None:
            last = run.history[-1].at_us if run.history else 0
            if seen != last:
                (shown,) = self._listed([run])
                yield from [shown] if seen is None else moved(shown, run, seen)
                seen = last
            if run.is_terminal or (deadline is not None and time.monotonic() >= deadline):
                return
            time.sleep(POLL_SECONDS)

    def cancel(self, ref: str, *, reason: str | None = None, request_id: str | None = None) -> Cancelled:
        """End a waiting run at once, or have its agent end a running one; cancelling twice is one cancel.

        Raises RefusedByState when the run has ended otherwise.
        """
        run = self.store.runs.find(ref)
        try:
            done = self.store.records.cancel(run.id, actor=self.actor, reason=reason or "", request_id=request_id)
        except queue_errors.RefusedByState as refused:
            raise refusal(run, refused.state, refused.since_us, "it can not be cancelled any more") from refused
        return Cancelled(id=run.id, name=views.name_of(run), state_before=done.state_before, state=done.state)

    def retry(self, ref: str, *, request_id: str | None = None) -> FlowRun:
        """Make a new run, now, with the parameters of an ended one, on the deployment's current revision.

        Raises RefusedByState when the run has not ended or its deployment was deleted.
        """
        run = self.store.runs.find(ref)
        if not run.is_terminal:
            since = run.history[-1].at_us if run.history else run.created_us
            raise refusal(run, run.state, since, "only an ended run can be retried")
        deployment = self.store.deployments.get(deployment_id_of(run))
        if deployment is None:
            hint = "`headgate deployment create FILE` makes it again"
            raise RefusedByState(f"the deployment {deployment_of(run)} of this run was deleted", hint=hint)
        given = views.decoded(self.store.records.data(run.id, "parameters"))
        if given is None:
            given = (self.store.spec_of(run) or deployment.spec).get("parameters") or {}
        plain = checked_parameters(deployment, given)
        made = new_run(
            deployment,
            made_id(request_id),
            actor=self.actor,
            parameters=plain,
            reason=f"retry of {views.name_of(run)}",
            retry_of=run.id,
        )
        self.store.records.create([made])
        return self._shown(made.id)

    def explain(self, ref: str) -> Explanation:
        """Why a run is not running, and the command that changes it."""
        return explain(scene_of(self.store, self.store.runs.find(ref), self._late_us))

    def _shown(self, run_id: str) -> FlowRun:
        run = self.store.records.get(run_id)
        if run is None:
            raise queue_errors.UnknownRun(run_id)
        return self._listed([run])[0]

    def _lines(self, run: Run, at: Position, limit: int) -> list[LogLine]:
        rest = run.fields.get("log_rest")
        where = f"; the agent {run.agent or 'of the run'} has them in {rest}" if rest else ""
        lines = self.store.logs.read(run.id, at, limit=limit)
        if not lines and at == Position() and run.fields.get("log_dropped"):
            return [dropped(run, where)]
        return views.log_lines(lines, where)


def known_state(state: str) -> str:
    """A state's name as it is written; raises Invalid."""
    try:
        return State(state.upper()).value
    except ValueError:
        allowed = ", ".join(State)
        raise Invalid(f"expected a state to be one of {allowed}, got {shown(state)}", field="state") from None


def position(text: str | None) -> Position:
    """Where a reading of a log goes on; raises Invalid."""
    try:
        return Position() if text is None else Position.parse(text)
    except ValueError:
        raise Invalid(f"expected after to be a position such as 1-250, got {shown(text)}", field="after") from None


def has_all_lines(run: Run, at: Position) -> bool:
    """Whether the last line of an ended run was read, as far as its record says which that is."""
    last = Position.parse(run.fields.get("last_line") or "0-0")
    return last.sequence == 0 or at >= last or "log_dropped" in run.fields


def moved(shown: FlowRun, run: Run, seen_us: int) -> Iterator[FlowRun]:
    """The run at each of its moves since a time; the last as it is now."""
    fresh = [move for move in run.history if move.at_us > seen_us]
    for move in fresh[:-1]:
        state = move.state.value
        yield replace(shown, state=state, state_name=state.capitalize(), why=move.reason or None, end_time=None)
    if fresh:
        yield shown


def dropped(run: Run, where: str) -> LogLine:
    """The line that stands for a log which was removed."""
    reasons = {"age": "it was older than logs are kept", "space": "all logs together had grown too large"}
    why = reasons.get(run.fields["log_dropped"], run.fields["log_dropped"])
    return LogLine(
        timestamp=from_us(run.ended_us or run.created_us),
        attempt=0,
        sequence=0,
        level=20,
        source=views.GAP,
        logger=None,
        task=None,
        message=f"… the log is not kept here any more: {why}{where} …",
        position="0-1",
    )


def refusal(run: Run, state: str, since_us: int, what: str) -> RefusedByState:
    """The error of a verb that the state of a run does not allow."""
    text = f"flow run {views.name_of(run)} is {state} since {views.utc_text(since_us)}: {what}"
    return RefusedByState(text, field="FLOW_RUN")
