"""The client's verbs on flow runs that only look: list, look into, watch, explain."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Unpack

from orchestrator.client import views
from orchestrator.client.explain import explain
from orchestrator.client.explain_coming import explain_coming
from orchestrator.client.run_logs import RunLogVerbs
from orchestrator.client.run_retries import RunRetryVerbs
from orchestrator.client.scenes import row_of, scene_of
from orchestrator.client.selection import Which, excluded, filter_of
from orchestrator.client.values import Explanation, FlowRun, FlowRunDetail
from orchestrator.errors import NotFound
from orchestrator.store.runs import deployment_id_of
from queues.records import Move

POLL_SECONDS = 0.1


class FlowRunVerbs(RunLogVerbs, RunRetryVerbs):
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
            requires=run.requires,
            retry_of=fields.get("retry_of"),
            parameters=given if isinstance(given, dict) else dict(spec.get("parameters") or {}),
            env=views.variables(records.data(run.id, "environment")),
            state_history=views.moves(run),
            exit_code=views.number(fields.get("exit_code")),
            signal=fields.get("signal"),
            max_rss_bytes=views.memory_bytes(fields.get("max_rss_kb")),
            cpu_seconds=views.cpu_seconds(fields.get("cpu_ms")),
            reason=run.reason or None,
            error=None if error is None else error.decode("utf-8", "replace"),
            result=views.decoded(records.data(run.id, "result")),
            tasks=tuple(views.task_run(task) for task in self.store.tasks.read(run.id)),
        )

    def list_flow_runs(self, *, limit: int = 50, after: str | None = None, **which: Unpack[Which]) -> list[FlowRun]:
        """Runs that fit, newest first; `after` is the id of the last run of the page before."""
        out = excluded(self.store, which)
        found = self.store.runs.page(limit + len(out), replace(filter_of(self.store, which), after=after))
        return self._listed([run for run in found if run.id not in out][:limit])

    def flow_runs(self, run_ids: Iterable[str]) -> list[FlowRun]:
        """Runs by their ids, in that order; those that are gone are left out."""
        return self._listed([run for run in self.store.records.get_many(list(run_ids)) if run is not None])

    def watch(self, ref: str, *, timeout: float | None = None) -> Iterator[FlowRun]:
        """The run as it is now, then once for each of its moves; ends with its end, or after `timeout` seconds."""
        run_id = self.store.runs.find(ref).id
        deadline = None if timeout is None else time.monotonic() + timeout
        first, seen = True, None
        while (run := self.store.records.get(run_id)) is not None:
            fresh = views.behind(run.history, seen)
            if first or fresh:
                (shown,) = self._listed([run])
                yield from [shown] if first else moved(shown, fresh)
                first, seen = False, run.history[-1] if run.history else None
            if run.is_terminal or (deadline is not None and time.monotonic() >= deadline):
                return
            time.sleep(POLL_SECONDS)

    def explain(self, ref: str) -> Explanation:
        """Why a run is not running, and the command that changes it; also of one that a schedule makes within a day."""
        try:
            run = self.store.runs.find(ref)
        except NotFound:
            if coming := explain_coming(self.store, ref, self._late_us):
                return coming
            raise
        return explain(scene_of(self.store, run, self._late_us))


def moved(shown: FlowRun, fresh: Sequence[Move]) -> Iterator[FlowRun]:
    """The run at each of these moves; the last as it is now."""
    for move in fresh[:-1]:
        state = move.state.value
        yield replace(shown, state=state, state_name=state.capitalize(), why=move.reason or None, end_time=None)
    yield shown
