"""One pass over what is due: exactly one run, or one recorded skip, for every instant of every schedule.

The order makes it so. The decision is noted (begin), the runs are made (create: only where the id is not there yet),
and the cursor moves last (advance: only from where it was read). A crash after any of these steps, or a second
scheduler in between, repeats steps whose effect is there already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from orchestrator.errors import HeadgateError
from orchestrator.scheduler import events
from orchestrator.store import Store
from orchestrator.store.deployments import DeploymentRecord
from orchestrator.store.instants import Plan, planned, scheduled_id
from orchestrator.store.runs import new_run
from orchestrator.store.schedules import MAKE, Advance, Skip, Standing, Wanted
from queues.clock import SECOND_US
from queues.errors import HeadgateQueueError, NewerSchema, UnknownQueue
from queues.runs import NewRun

BATCH = 100
"""Schedules that one pass looks at: three calls of about 5 ms of Redis each."""

BAD_AGAIN_US = 3600 * SECOND_US
NEWER_AGAIN_US = 60 * SECOND_US
"""A schedule that a newer scheduler reads must not wait long for that to lead."""
OF_ANOTHER_TYPE = "one of its keys in Redis holds another type than ours; it is looked at again in a minute"
WAITS = "a scheduled run of this deployment was still waiting to start"

Reached = Callable[[str], None]
"""Told the name of each point at which a crash must do no harm: begun, created, advanced."""


def nowhere(_point: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, kw_only=True)
class Ticked:
    """What a pass did about the schedules it has seen; `deposed`: another scheduler leads, nothing was written."""

    made: int = 0
    skipped: int = 0
    seen: int = 0
    deposed: bool = False


def tick(store: Store, epoch: int | None = None, reached: Reached = nowhere) -> Ticked:
    """Deal with up to BATCH schedules that have an instant that is due."""
    found = store.schedules.due(BATCH)
    now_us, standings = found.now_us, found.standings
    for schedule in found.stopped:
        deployment, _, slug = schedule.partition("/")
        events.bad_schedule(deployment=deployment, slug=slug, problem=OF_ANOTHER_TYPE)
    deployments = deployments_of(store, standings)
    plans = [plan_of(standing, now_us, deployments.get(standing.deployment_id)) for standing in standings]
    wanted = [wanted_of(plan, deployments) for plan in plans]
    verdicts = store.schedules.begin(wanted, epoch) if wanted else []
    if verdicts is None:
        return Ticked(deposed=True)
    reached("begun")
    runs = runs_of(plans, verdicts, deployments)
    gone = create(store, runs)
    reached("created")
    moves = [
        move_of(plan, answers, gone)
        for plan, answers in zip(plans, verdicts, strict=True)
        if answers or not plan.instants
    ]
    if moves and store.schedules.advance(moves, epoch) is None:
        return Ticked(deposed=True)
    reached("advanced")
    return Ticked(
        made=len(runs) - len(gone),
        skipped=sum(skip.count for move in moves for skip in move.skips),
        seen=len(standings),
    )


def plan_of(standing: Standing, now_us: int, deployment: DeploymentRecord | None) -> Plan:
    """What to do about a schedule. One that can not be read is put aside, so that the others get their runs."""
    try:
        if deployment is not None and deployment.problem is not None:
            raise deployment.problem
        # What no run can be made of shows here: the id of a deployment that is none, tags that are no limits …
        run_id = scheduled_id(standing.deployment_id, standing.slug, now_us)
        if deployment is not None:
            new_run(deployment, run_id, actor="scheduler")
        return planned(standing, now_us)
    except (HeadgateError, HeadgateQueueError, ValueError, TypeError, KeyError, RecursionError) as error:
        events.bad_schedule(deployment=standing.deployment_id, slug=standing.slug, problem=str(error))
        again = now_us + (NEWER_AGAIN_US if isinstance(error, NewerSchema) else BAD_AGAIN_US)
        return Plan(standing=standing, instants=(), skips=(), to_us=standing.cursor_us, next_us=again)


def deployments_of(store: Store, standings: Sequence[Standing]) -> dict[str, DeploymentRecord]:
    """The deployments of schedules, by id."""
    ids = list(dict.fromkeys(standing.deployment_id for standing in standings))
    return {one.id: one for one in store.deployments.get_many(ids)}


def wanted_of(plan: Plan, deployments: dict[str, DeploymentRecord]) -> Wanted:
    """The question whether the runs of a plan may be made."""
    standing = plan.standing
    deployment = deployments.get(standing.deployment_id)
    if deployment is None:  # deleted a moment ago
        return Wanted(standing=standing, most_waiting=0, instants=())
    instants = tuple((scheduled_id(standing.deployment_id, standing.slug, at), at) for at in plan.instants)
    return Wanted(standing=standing, most_waiting=deployment.spec.get("max_waiting") or 1, instants=instants)


def runs_of(
    plans: Sequence[Plan], verdicts: Sequence[Sequence[str]], deployments: dict[str, DeploymentRecord]
) -> list[NewRun]:
    """The runs to make, the earliest due first."""
    runs = []
    for plan, answers in zip(plans, verdicts, strict=True):
        standing = plan.standing
        for at, answer in zip(plan.instants, answers, strict=False):
            if answer == MAKE:
                run_id = scheduled_id(standing.deployment_id, standing.slug, at)
                reason = f"schedule {standing.slug}"
                deployment = deployments[standing.deployment_id]
                runs.append(new_run(deployment, run_id, actor="scheduler", due_us=at, reason=reason))
    return sorted(runs, key=lambda run: run.due_us or 0)


def create(store: Store, runs: Sequence[NewRun]) -> dict[str, str]:
    """Make the runs that are not there yet; gives those whose work queue is gone, id -> queue."""
    if not runs:
        return {}
    try:
        store.records.create(runs)
    except UnknownQueue as unknown:
        if len(runs) == 1:
            return {runs[0].id: unknown.name}
        return {run_id: queue for run in runs for run_id, queue in create(store, [run]).items()}
    return {}


def move_of(plan: Plan, answers: Sequence[str], gone: dict[str, str]) -> Advance:
    """Where the cursor goes, and what is recorded as skipped on the way."""
    standing, skips = plan.standing, list(plan.skips)
    for at, answer in zip(plan.instants, answers, strict=True):
        queue = gone.get(scheduled_id(standing.deployment_id, standing.slug, at))
        if answer != MAKE or queue is not None:
            reason = WAITS if queue is None else f"its work queue {queue} does not exist"
            skips = with_instant(skips, standing.slug, at, reason)
    return Advance(standing=standing, to_us=plan.to_us, next_us=plan.next_us, skips=tuple(skips))


def with_instant(skips: list[Skip], slug: str, at: int, reason: str) -> list[Skip]:
    """The ranges with one more instant, which lengthens the last one when it is skipped for the same reason."""
    if skips and skips[-1].reason == reason:
        return [*skips[:-1], replace(skips[-1], last_us=at, count=skips[-1].count + 1)]
    return [*skips, Skip(slug=slug, first_us=at, last_us=at, count=1, reason=reason)]
