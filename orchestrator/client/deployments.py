"""The client's verbs on deployments: create from specs, list, look into, look ahead, run, delete."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.client import views
from orchestrator.client.access import moment_us
from orchestrator.client.agents import agents
from orchestrator.client.deployment_changes import UNCLAIMED, DeploymentChangeVerbs
from orchestrator.client.deployment_checks import (
    placed,
    refuse_doubles,
    refuse_large,
    refuse_near_doubles,
    refuse_newer,
    unknown_queue,
)
from orchestrator.client.deployment_code import Check, refuse_unknown, send, with_code
from orchestrator.client.deployment_previews import preview_of
from orchestrator.client.deployment_values import (
    Deployed,
    Deployment,
    DeploymentDeleted,
    DeploymentDetail,
    DeploymentPreviewRun,
    SentCode,
)
from orchestrator.client.deployment_views import checked_parameters, deployed, summary
from orchestrator.client.environment import checked_environment
from orchestrator.client.flow_runs import FlowRunVerbs
from orchestrator.client.previews import MOST_ROWS
from orchestrator.client.queue_values import AgentInfo
from orchestrator.client.run_retries import made_id
from orchestrator.client.values import FlowRun
from orchestrator.deployments import deployment_id
from orchestrator.errors import Invalid, expected
from orchestrator.keys import deployment_limit
from orchestrator.store.deployments import DeploymentRecord, canonical, full_name
from orchestrator.store.instants import passed_over
from orchestrator.store.runs import Wishes, new_run, requires_of
from orchestrator.store.specs import Spec
from queues.clock import seconds_to_us
from queues.errors import QueueExists
from queues.presence import LOST

LONGEST_PREVIEW_HOURS = 24.0 * 366
NEXT_RUNS = 10


class DeploymentVerbs(FlowRunVerbs, DeploymentChangeVerbs):
    """What can be done with deployments."""

    def create_from_specs(
        self, specs: Sequence[Mapping[str, Any]], *, create_queues: bool = False, check: Check | None = None
    ) -> list[Deployed]:
        """Apply specs (as DeploymentSpec.to_dict() gives them), each whole; none when one of them is refused.

        Code that is to be sent along is packed here, and what Redis has not yet is sent. Raises InvalidDeployment, and
        BadBundle; an unknown work queue is one, unless `create_queues` makes it. `check` may refuse each before that.
        """
        refuse_doubles(specs)
        coded = with_code(specs, self.home)
        specs = [one.spec for one in coded]
        for one in coded:
            refuse_large(one.spec)
            if check is not None:
                check(one.spec, one.packed)
        there = self._alike(specs)
        refuse_near_doubles(specs, there)
        refuse_newer(specs, there)
        refuse_unknown(self.store.bundles, coded)
        made = self._queues_for(specs, create_queues)
        sent = send(self.store.bundles, coded)
        live = self._live()
        return [self._apply(spec, spec["work_queue"] in made, live, sent) for spec in specs]

    def create_from_spec(self, spec: Mapping[str, Any], *, create_queues: bool = False) -> Deployed:
        """Apply one spec."""
        return self.create_from_specs([spec], create_queues=create_queues)[0]

    def list_deployments(self, *, work_queue: str | None = None) -> list[Deployment]:
        """All deployments by name, or those of one work queue."""
        queue = None if work_queue is None else self.store.queues.get(work_queue).name
        now_us = self._now_us()
        found = self.store.deployments.all()
        return [Deployment(**summary(one, now_us)) for one in found if queue is None or one.spec["work_queue"] == queue]

    def get_deployment(self, ref: str) -> DeploymentDetail:
        """Everything about one deployment: code, parameters, schedules, policy, skipped instants, changes."""
        found = self.store.deployments.find(ref)
        spec = found.spec
        return DeploymentDetail(
            **summary(found, self._now_us()),
            description=spec.get("description"),
            source=dict(spec.get("source") or {"kind": "path"}),
            path=spec.get("path") or "",
            function=spec.get("function") or "",
            working_dir=spec.get("working_dir"),
            env=dict(spec.get("env") or {}),
            limits=dict(spec.get("limits") or {}),
            parameters=dict(spec.get("parameters") or {}),
            parameter_schema=dict(spec.get("schema") or {}),
            retries=spec.get("retries") or 0,
            retry_delay_seconds=spec.get("retry_delay_seconds") or 0.0,
            timeout_seconds=spec.get("timeout_seconds"),
            on_lost=spec.get("on_lost") or "rerun",
            max_lost=spec.get("max_lost") or 3,
            requires=requires_of(spec),
            listening_agents=able(self._live(), spec),
            skipped=tuple(views.skipped(skip) for skip in self.store.schedules.skips(found.id)),
            changes=tuple(views.change(change) for change in self.store.changes.of(deployment_limit(found.id))),
        )

    def delete_deployment(self, ref: str, *, dry_run: bool = False) -> DeploymentDeleted:
        """Remove a deployment: its waiting runs are cancelled, running ones go on, ended ones stay listed.

        A dry run changes nothing, and counts what would be cancelled.
        """
        found = self.store.deployments.find(ref)
        if not dry_run:
            self.store.deployments.delete(found.id, self.actor)
        # The oldest stand first in their lines, where they are found at once.
        ids = [run_id for piece in self.store.runs.waiting_of(found.id) for run_id in piece][::-1]
        cancelled = len(ids) if dry_run else self._cancel(ids)
        return DeploymentDeleted(id=found.id, name=found.name, cancelled_runs=cancelled, dry_run=dry_run)

    def preview_deployment(
        self, ref: str, *, hours: float | None = None, limit: int | None = None
    ) -> list[DeploymentPreviewRun]:
        """The runs that wait and those to come, with the ids and names they have or will get.

        Those of the next `hours`, or the next `limit`; the next ten when neither is given.
        """
        check_preview(hours, limit)
        found = self.store.deployments.find(ref)
        if found.problem is not None:
            raise found.problem
        most = limit or (MOST_ROWS if hours else NEXT_RUNS)
        until_us = self._now_us() + seconds_to_us(3600 * (hours or LONGEST_PREVIEW_HOURS))
        return preview_of(self.store, found, until_us, most, self._late_us)

    def run_deployment(
        self,
        ref: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        at: datetime | None = None,
        env: Mapping[str, str] | None = None,
        requires: Sequence[str] = (),
        request_id: str | None = None,
    ) -> FlowRun:
        """Make a run, now or `at` a time, with the deployment's parameters and those given here on top.

        `env`: variables of this run, which win over those of its deployment and its work queue. `requires`: labels that
        its agent must have, beside those that the deployment requires. Sent again with the same request id it makes no
        second run. Raises InvalidParameters, Invalid for variables.
        """
        found = self.store.deployments.find(ref)
        complete, own = checked_parameters(found, parameters or {}), checked_environment(env or {})
        due_us = None if at is None else moment_us("at", at)
        if due_us is not None and due_us <= self._now_us():
            due_us = None  # a time that has passed means now; it gives no better place in line
        wishes = Wishes(parameters=complete, env=own, requires=requires)
        made = new_run(found, made_id(request_id), actor=self.actor, due_us=due_us, own=wishes)
        self.store.records.create([made])
        return self._shown(made.id)

    def deployment_spec(
        self, ref: str, parameters: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """What an agent would be given for a run with these parameters and variables; makes none.

        Raises InvalidParameters, Invalid for variables.
        """
        found = self.store.deployments.find(ref)
        complete, own = checked_parameters(found, parameters or {}), checked_environment(env or {})
        queue = self.store.queues.get(found.spec["work_queue"])
        merged = checked_environment({**queue.environment, **(found.spec.get("env") or {}), **own})
        return {**found.spec, "parameters": complete, "env": merged}

    def _alike(self, specs: Sequence[Spec]) -> list[DeploymentRecord]:
        """The deployments there are under the names of these specs, in any case."""
        wanted = {full_name(spec).lower() for spec in specs}
        ids = [one for name, one in self.store.deployments.names().items() if name.lower() in wanted]
        return self.store.deployments.get_many(ids)

    def _apply(self, spec: Spec, queue_made: bool, live: Sequence[AgentInfo], sent: Mapping[str, SentCode]) -> Deployed:
        now_us, own_id = self._now_us(), deployment_id(spec["flow"], spec["name"])
        self._close_changed(own_id, spec, now_us)
        put = self.store.deployments.put(own_id, spec, placed(spec, now_us), self.actor)
        queue = self.store.queues.get(spec["work_queue"])
        return Deployed(
            **deployed(own_id, spec, put, queue, now_us),
            work_queue_created=queue_made,
            listening_agents=able(live, spec),
            code=sent.get((spec.get("source") or {}).get("digest") or ""),
        )

    def _close_changed(self, own_id: str, spec: Spec, now_us: int) -> None:
        """Record what schedules that are about to change or go have missed: afterwards nothing looks at it again."""
        before = self.store.deployments.get(own_id)
        texts = {schedule["slug"]: canonical(schedule) for schedule in spec.get("schedules") or ()}
        changed = [one for one in before.schedules if texts.get(one.slug) != one.text] if before else []
        moves = [passed_over(one, now_us, "the schedule was changed before it was dealt with") for one in changed]
        if moves := [move for move in moves if move.skips]:
            self.store.schedules.advance(moves)

    def _queues_for(self, specs: Iterable[Spec], create: bool) -> set[str]:
        known = {queue.name for queue in self.store.queues.all()}
        missing = [spec for spec in specs if spec["work_queue"] not in known]
        for spec in missing:
            if not create:
                raise unknown_queue(spec, known)
        made = {spec["work_queue"] for spec in missing}
        for name in sorted(made):
            try:
                self.store.queues.create(name, actor=self.actor)
            except QueueExists:
                made.discard(name)  # somebody else was faster
        return made

    def _live(self) -> list[AgentInfo]:
        return [agent for agent in agents(self.store) if agent.state != LOST]

    def _cancel(self, ids: Sequence[str]) -> int:
        reason = "its deployment was deleted"
        return sum(self.store.records.cancel_waiting(ids, states=UNCLAIMED, actor=self.actor, reason=reason))


def able(live: Iterable[AgentInfo], spec: Spec) -> tuple[str, ...]:
    """The agents that listen to the work queue of a spec and have the labels it requires."""
    queue, requires = spec["work_queue"], requires_of(spec)
    return tuple(sorted(one.name for one in live if queue in one.queues and set(requires) <= set(one.labels)))


def check_preview(hours: float | None, limit: int | None) -> None:
    """How far a preview may look."""
    if hours is not None and limit is not None:
        raise Invalid("expected hours or limit, got both", field="hours", hint="leave out one of them")
    if hours is not None and not 0 < hours <= LONGEST_PREVIEW_HOURS:
        raise Invalid(expected("hours", f"more than 0 and at most {LONGEST_PREVIEW_HOURS:g}", hours), field="hours")
    if limit is not None and not 1 <= limit <= MOST_ROWS:
        raise Invalid(expected("limit", f"1 to {MOST_ROWS}", limit), field="limit")
