"""Explains a run that does not exist yet: previews show the id and the name that its schedule will give it."""

import heapq
from collections.abc import Iterator
from itertools import islice

from orchestrator.client.explain_waiting import no_scheduler
from orchestrator.client.previews import MOST_ROWS, instants_to_come, not_there_yet
from orchestrator.client.queue_values import PreviewRun
from orchestrator.client.scenes import around_of
from orchestrator.client.values import Explanation, Reason
from orchestrator.client.views import seconds_text, utc_text
from orchestrator.errors import command
from orchestrator.runs import ids_of_name
from orchestrator.store import Store
from orchestrator.store.deployments import DeploymentRecord
from orchestrator.store.names import ID_PART
from queues.clock import SECOND_US, to_us
from queues.states import State

HORIZON_US = 24 * 3600 * SECOND_US
SHORTEST_PART = 8
"""Characters of an id by which a coming run is sought: as many as a narrow table shows."""


def explain_coming(store: Store, ref: str, late_us: int) -> Explanation | None:
    """When the run that is called so will be made, and what keeps it from that; None when none is due within a day."""
    wanted = ref.lower()
    if not (ID_PART.fullmatch(wanted) and len(wanted) >= SHORTEST_PART) and ids_of_name(ref) is None:
        return None
    now_us = store.scripts.now_us()
    deployments = store.deployments.all()
    feeds = (found_in(one, now_us) for one in deployments)
    coming = islice(heapq.merge(*feeds, key=lambda pair: pair[0].scheduled_start_time), MOST_ROWS)
    found = next((pair for pair in coming if pair[0].name == ref or pair[0].run_id.startswith(wanted)), None)
    return None if found is None else told(store, *found, late_us)


def found_in(deployment: DeploymentRecord, now_us: int) -> Iterator[tuple[PreviewRun, DeploymentRecord]]:
    """The runs that the schedules of a deployment make within a day; of a paused one those that they would make."""
    for at, slug in instants_to_come(deployment, now_us, now_us + HORIZON_US):
        if at > now_us or not deployment.paused:
            yield not_there_yet(deployment, at, slug), deployment


def told(store: Store, run: PreviewRun, deployment: DeploymentRecord, late_us: int) -> Explanation:
    """The explanation of a run that is to come."""
    around = around_of(store, (), late_us)
    at = to_us(run.scheduled_start_time)
    wait = at - around.now_us
    when = f"in {seconds_text(wait)}, at {utc_text(at)}" if wait > 0 else f"now; it was due at {utc_text(at)}"
    reasons = []
    if deployment.paused:
        text = f"it is not made: its deployment {deployment.name} is paused; its schedule would make it {when}"
        resume = command("deployment", "resume", deployment.name)
        reasons.append(Reason(code="deployment-paused", text=text, brief="its deployment is paused", command=resume))
    else:
        text = f"it does not exist yet: a schedule of {deployment.name} makes it {when}"
        details = {"due_in_seconds": wait / SECOND_US}
        reasons.append(Reason(code="not-made", text=text, brief=f"due in {seconds_text(wait)}", details=details))
    if not around.leader.leads:
        reasons.append(no_scheduler(around, "no scheduler is running, which would make it then"))
    return Explanation(
        id=run.run_id,
        name=run.name,
        state=State.SCHEDULED.value,
        state_name=State.SCHEDULED.value.capitalize(),
        summary=reasons[0].text,
        reasons=tuple(reasons),
        holders=(),
    )
