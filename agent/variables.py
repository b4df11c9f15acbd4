"""The variables of a run, merged from its work queue, its deployment and itself, each checked again as it is read."""

from collections.abc import Mapping
from typing import Any

from agent.calls import BadRecord
from orchestrator.flow_runners import MOST_VARIABLE_BYTES, variables_problem
from orchestrator.store.specs import Spec
from queues.claims import Claim
from queues.decoding import from_json
from queues.errors import BadPayload

MOST_JSON = 7 * MOST_VARIABLE_BYTES
"""Bytes of variables as JSON, in which one letter may take seven times as many."""


def variables_of(claim: Claim, spec: Spec) -> Mapping[str, str]:
    """Later ones win: work queue, deployment, run. Raises BadRecord for what no process may be given."""
    queue = checked(claim.queue_environment, f"its work queue {claim.queue}")
    deployment = checked(spec.get("env") or {}, "its deployment")
    return {**queue, **deployment, **checked(own(claim), "the run")}


def own(claim: Claim) -> Any:
    """The variables that the run was made with."""
    if claim.environment is None:
        return {}
    try:
        return from_json(claim.environment, most=MOST_JSON)
    except BadPayload as bad:
        raise BadRecord(f"its variables can not be read: {bad}") from bad


def checked(given: Any, whose: str) -> Mapping[str, str]:
    """Variables that a process may be given; raises BadRecord."""
    if not isinstance(given, Mapping):
        raise BadRecord(f"expected the variables of {whose} to be an object, got {type(given).__name__}")
    problem = variables_problem(given)
    if problem is not None:
        raise BadRecord(f"the variables of {whose} can not be used: {problem[1]}")
    return given
