"""Which runs a verb is about: what `list_flow_runs` and the verbs for many runs take by keyword, and what it means."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from orchestrator.client.access import moment_us
from orchestrator.deployments import deployment_id
from orchestrator.errors import Invalid, NotFound, shown
from orchestrator.store import Store
from orchestrator.store.run_lists import Filter
from queues.states import TERMINAL, State

FEW = 300
"""So many indexes are walked at a time faster than the one of all runs."""


class Which(TypedDict, total=False):
    """What runs have to be; what is left out, or None, does not matter.

    `since` and `until` are about when a run was made; with ended `states` only, about when it ended. What happened at
    `until` is too late. `excluding` names runs that are left out.
    """

    states: Sequence[str]
    deployment: str | None
    work_queue: str | None
    flow: str | None
    tag: str | None
    since: datetime | None
    until: datetime | None
    excluding: Sequence[str]


def filter_of(store: Store, which: Which) -> Filter:
    """The same for the store; raises Invalid, NotFound and Ambiguous. `excluding` is left to the caller."""
    states = tuple(known_state(state) for state in which.get("states") or ())
    deployment, named = which.get("deployment"), which.get("work_queue")
    queue = None if named is None else store.queues.get(named).name
    since, until = which.get("since"), which.get("until")
    return Filter(
        states=states or None,
        deployment_id=None if deployment is None else id_of_deployment(store, deployment),
        queue=queue,
        flow=which.get("flow"),
        tag=which.get("tag"),
        since_us=0 if since is None else moment_us("since", since),
        until_us=None if until is None else moment_us("until", until),
        by_end=bool(states) and all(state in TERMINAL for state in states),
        among=candidates(store, which.get("flow"), queue, which.get("tag")),
    )


def candidates(store: Store, flow: str | None, queue: str | None, tag: str | None) -> tuple[str, ...] | None:
    """The ids of the deployments that such runs can be of; None when they are many, or all."""
    if not (flow or queue or tag):
        return None
    found = store.traits.deployments(flow=flow, queue=queue, tag=tag)
    return tuple(found) if len(found) <= FEW else None


def excluded(store: Store, which: Which) -> frozenset[str]:
    """The ids that are left out."""
    return frozenset(store.runs.find(ref).id for ref in which.get("excluding") or ())


def id_of_deployment(store: Store, ref: str) -> str:
    """The id of a deployment; of one that was deleted as long as runs of it are listed."""
    try:
        return store.deployments.find(ref).id
    except NotFound:
        flow, slash, name = ref.partition("/")
        gone = deployment_id(flow, name)
        if slash and store.runs.has_any(gone):
            return gone
        raise


def known_state(state: str) -> str:
    """A state's name as it is written; raises Invalid."""
    try:
        return State(state.upper()).value
    except ValueError:
        allowed = ", ".join(State)
        raise Invalid(f"expected a state to be one of {allowed}, got {shown(state)}", field="state") from None
