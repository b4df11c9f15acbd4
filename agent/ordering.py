"""Makes an order of a claim: the run's record, its deployment's spec of its own revision, its parameters."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agent.calls import BadRecord
from agent.errors import NotOnThisMachine
from agent.orders import Order, Ref
from agent.runners.environment import find_interpreter, problem_of
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


def checked_order_of(
    claim: Claim, find_spec: FindSpec, *, own: Mapping[str, str], keep_when_cut: bool, host: str
) -> Order:
    """Put an order together and look whether its files are here; raises BadRecord.

    A spec that a newer version wrote is no bad one: an agent of that version runs it.
    """
    try:
        spec = find_spec(claim.record)
    except NewerSchema as newer:
        spec = {"flow": "", "name": "", "path": "", "function": "", "folder": ""}
        order = order_of(claim, spec, own=own, keep_when_cut=keep_when_cut)
        return replace(order, problem=NotOnThisMachine(f"{host} can not run it: {newer}"))
    except BadPayload as bad:
        raise BadRecord(str(bad)) from bad
    order = order_of(claim, spec, own=own, keep_when_cut=keep_when_cut)
    return replace(order, problem=problem_of(order, host))


def order_of(claim: Claim, spec: Spec | None, *, own: Mapping[str, str], keep_when_cut: bool) -> Order:
    """Put together what a launch needs; raises BadRecord. `own` is the agent's environment, for conda's places."""
    record = claim.record
    if spec is None:
        revision = revision_of(record)
        raise BadRecord(f"revision {revision} of its deployment is gone: deploy it again and retry the run")
    try:
        folder = str(spec["folder"])
        return Order(
            ref=Ref(claim.run_id, claim.token, claim.claim_id),
            attempt=claim.attempt,
            queue=claim.queue,
            lease_seconds=claim.lease_seconds,
            run_name=record.fields.get("name", claim.run_id),
            deployment=f"{spec['flow']}/{spec['name']}",
            code=f"{spec['flow']}/{spec['name']}@{revision_of(record)}",
            path=str(spec["path"]),
            function=str(spec["function"]),
            folder=folder,
            working_dir=str(spec.get("working_dir") or folder),
            environment=variables_of(claim, spec),
            interpreter=find_interpreter(
                python=spec.get("python"),
                virtualenv=spec.get("virtualenv"),
                condaenv=spec.get("condaenv"),
                folder=folder,
                own=own,
            ),
            parameters=parameters_of(claim, spec),
            tags=tuple(spec.get("tags") or ()),
            rules=Rules(
                retries=int(spec.get("retries") or 0),
                retry_delay_seconds=float(spec.get("retry_delay_seconds") or 0.0),
                failures=record.failures,
                timeout_seconds=spec.get("timeout_seconds"),
            ),
            limits=limits_of(spec),
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
