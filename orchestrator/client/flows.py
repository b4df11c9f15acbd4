"""The client's verbs on flows: what there is to run, seen through the deployments that run it."""

from collections.abc import Sequence
from typing import Any

from orchestrator.client.access import Access
from orchestrator.client.deployment_views import summary
from orchestrator.client.flow_values import FlowDeployment, FlowDetail, FlowInfo, FlowParameter
from orchestrator.client.values import FlowRun
from orchestrator.store.deployments import DeploymentRecord
from orchestrator.store.names import not_found
from orchestrator.store.specs import Spec
from queues.records import Run
from queues.states import State

RECENT = 10
"""Runs that `inspect` shows."""
LOOKED_AT = 3
"""The newest runs of each deployment among which a list seeks the last one."""


class FlowVerbs(Access):
    """What can be done with flows; each is named by its name."""

    def list_flows(self) -> list[FlowInfo]:
        """All flows that have a deployment, by name."""
        flows = by_flow(self.store.deployments.all())
        newest = self.store.runs.newest_of([one.id for of_flow in flows.values() for one in of_flow], LOOKED_AT)
        lasts = {flow: last_of(newest_of(of_flow, newest)) for flow, of_flow in flows.items()}
        shown = {run.id: run for run in self._listed([run for run in lasts.values() if run is not None])}
        now_us = self._now_us()
        return [
            FlowInfo(**info(flow, of_flow, shown.get(last.id) if last else None, now_us))
            for (flow, of_flow), last in zip(flows.items(), lasts.values(), strict=True)
        ]

    def get_flow(self, name: str) -> FlowDetail:
        """Everything about one flow: where its code is, its parameters, its deployments, how its last runs went.

        Raises NotFound with the nearest three names.
        """
        flows = by_flow(self.store.deployments.all())
        if name not in flows:
            hint = "`headgate flow ls` lists those that have a deployment"
            raise not_found("flow", name, flows, hint)
        of_flow, now_us = flows[name], self._now_us()
        newest = newest_of(of_flow, self.store.runs.newest_of([one.id for one in of_flow], RECENT))[:RECENT]
        recent, last = self._listed(newest), last_of(newest)
        spec = max(of_flow, key=lambda one: one.updated_us).spec
        return FlowDetail(
            **info(name, of_flow, next((run for run in recent if last and run.id == last.id), None), now_us),
            path=spec.get("path") or "",
            function=spec.get("function") or "",
            description=spec.get("description"),
            parameters=parameters_of(spec),
            deployment_details=tuple(in_short(one, now_us) for one in of_flow),
            recent_runs=tuple(recent),
        )


def by_flow(deployments: Sequence[DeploymentRecord]) -> dict[str, list[DeploymentRecord]]:
    """Deployments by the flow that they run, both by name."""
    flows: dict[str, list[DeploymentRecord]] = {}
    for one in deployments:
        flows.setdefault(one.spec["flow"], []).append(one)
    return dict(sorted(flows.items()))


def newest_of(deployments: Sequence[DeploymentRecord], newest: dict[str, list[Run]]) -> list[Run]:
    """The runs of some deployments, the newest first."""
    runs = [run for one in deployments for run in newest[one.id]]
    return sorted(runs, key=lambda run: (run.created_us, run.id), reverse=True)


def last_of(newest: Sequence[Run]) -> Run | None:
    """The last run that was due; where there is none, the newest of those to come."""
    due = (run for run in newest if run.state != State.SCHEDULED or run.attempt)
    return next(due, next(iter(newest), None))


def info(flow: str, deployments: Sequence[DeploymentRecord], last: FlowRun | None, now_us: int) -> dict[str, Any]:
    """The fields of FlowInfo."""
    coming = [at for one in deployments if (at := summary(one, now_us)["next_scheduled_time"]) is not None]
    return {
        "name": flow,
        "deployments": tuple(one.name for one in deployments),
        "work_queues": distinct([one.spec.get("work_queue") for one in deployments]),
        "paths": distinct([one.spec.get("path") for one in deployments]),
        "next_scheduled_time": min(coming, default=None),
        "last_run_id": last and last.id,
        "last_run_name": last and last.name,
        "last_run_state": last and last.state_name,
        "last_run_time": last and (last.start_time or last.scheduled_start_time),
    }


def distinct(texts: Sequence[str | None]) -> tuple[str, ...]:
    """The texts that are there, each once."""
    return tuple(dict.fromkeys(text for text in texts if text))


def parameters_of(spec: Spec) -> tuple[FlowParameter, ...]:
    """The parameters of the flow's function."""
    return tuple(
        FlowParameter(
            name=str(one.get("name")),
            type=str(one.get("type") or "any"),
            required=bool(one.get("required")),
            default=one["default"] if "default" in one else one.get("default_repr"),
        )
        for one in (spec.get("schema") or {}).get("parameters") or ()
    )


def in_short(deployment: DeploymentRecord, now_us: int) -> FlowDeployment:
    """A deployment as a row of its flow."""
    fields = summary(deployment, now_us)
    names = ("name", "work_queue", "next_scheduled_time", "paused", "revision", "code_version")
    schedule = "; ".join(one.text for one in fields["schedules"]) or None
    return FlowDeployment(**{name: fields[name] for name in names}, schedule=schedule)
