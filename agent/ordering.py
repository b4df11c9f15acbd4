"""Makes an order of a claim: the run's record, its deployment's spec of its own revision, its parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.calls import BadRecord
from agent.errors import NotOnThisMachine
from agent.orders import Order, Ref
from agent.placing import Place, placed
from agent.runners.environment import problem_of
from agent.runners.limits import limits_of
from agent.runners.outcome import Rules
from agent.variables import variables_of
from orchestrator.keys import deployment_limit
from orchestrator.store.deployments import revision_of
from orchestrator.store.runs import deployment_id_of
from orchestrator.store.specs import Spec
from queues.claims import Claim
from queues.decoding import from_json
from queues.errors import BadPayload, NewerSchema
from queues.records import LARGEST_DATA, Run

FindSpec = Callable[[Run], Spec | None]


@dataclass(frozen=True, kw_only=True)
class Site:
    """What an order depends on besides claim and spec: this machine."""

    host: str
    own: Mapping[str, str] = field(default_factory=dict)
    """The agent's environment, for conda's places."""
    place: Place = lambda need: None
    room: Callable[[str, int], str | None] = lambda run_id, attempt: None
    """The working folder that an attempt of a run may have."""


def checked_order_of(claim: Claim, find_spec: FindSpec, site: Site, *, keep_when_cut: bool) -> Order:
    """Put an order together and look whether its files are here; raises BadRecord.

    A spec that a newer version wrote is no bad one: an agent of that version runs it.
    """
    try:
        spec = find_spec(claim.record)
    except NewerSchema as newer:
        spec = {"flow": "", "name": "", "path": "", "function": "", "folder": ""}
        order = order_of(claim, spec, site, keep_when_cut=keep_when_cut)
        return replace(order, problem=NotOnThisMachine(f"{site.host} can not run it: {newer}"))
    except BadPayload as bad:
        raise BadRecord(str(bad)) from bad
    order = order_of(claim, spec, site, keep_when_cut=keep_when_cut)
    return replace(order, problem=order.problem or problem_of(order, site.host))


def order_of(claim: Claim, spec: Spec | None, site: Site, *, keep_when_cut: bool) -> Order:
    """Put together what a launch needs; raises BadRecord."""
    record = claim.record
    if spec is None:
        revision = revision_of(record)
        raise BadRecord(f"revision {revision} of its deployment is gone: deploy it again and retry the run")
    try:
        where = placed(spec, site.place, own=site.own, room=site.room(claim.run_id, claim.attempt), host=site.host)
        return Order(
            ref=Ref(claim.run_id, claim.token, claim.claim_id),
            attempt=claim.attempt,
            queue=claim.queue,
            lease_seconds=claim.lease_seconds,
            run_name=record.fields.get("name", claim.run_id),
            deployment=f"{spec['flow']}/{spec['name']}",
            code=f"{spec['flow']}/{spec['name']}@{revision_of(record)}",
            path=where.path,
            function=str(spec["function"]),
            folder=where.folder,
            working_dir=where.working_dir,
            links=where.links,
            environment=variables_of(claim, spec),
            interpreter=where.interpreter,
            needs=where.needs,
            missing=where.missing,
            problem=where.problem,
            claimed_us=claim.deadline_us - int(claim.lease_seconds * 1_000_000),
            parameters=parameters_of(claim, spec),
            tags=tuple(spec.get("tags") or ()),
            rules=Rules(
                retries=int(spec.get("retries") or 0),
                retry_delay_seconds=float(spec.get("retry_delay_seconds") or 0.0),
                failures=record.failures,
                timeout_seconds=spec.get("timeout_seconds"),
            ),
            limits=limits_of(spec),
            warm=spec.get("warm") is True,
            keep_when_cut=keep_when_cut,
            limit=limit_of(record),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise BadRecord(f"its deployment's spec can not be read: {type(error).__name__}: {error}") from error


def parameters_of(claim: Claim, spec: Spec) -> Mapping[str, Any]:
    """The run's own parameters, else its deployment's; raises BadRecord when they are no JSON object."""
    if claim.parameters is None:
        return dict(spec.get("parameters") or {})
    try:
        parameters = from_json(claim.parameters, most=LARGEST_DATA)
    except BadPayload as bad:
        raise BadRecord(f"its parameters can not be read: {bad}") from bad
    if not isinstance(parameters, dict):
        raise BadRecord(f"expected its parameters to be a JSON object, got {type(parameters).__name__}")
    return parameters


def limit_of(record: Run) -> str:
    """The limit that every run of its deployment needs, by which this agent can leave the others alone."""
    limit = deployment_limit(deployment_id_of(record))
    return limit if limit in record.limits else ""
