"""One pass over what is due: exactly one run, or one recorded skip, for every instant of every schedule.

The order makes it so. The decision is noted (begin), the runs are made (create: only where the id is not there yet),
and the cursor moves last (advance: only from where it was read). A crash after any of these steps, or a second
scheduler in between, repeats steps whose effect is there already.
"""

from collections.abc import Callable, Mapping, Sequence
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
"""Schedules that one pass looks at: four calls of at most 5 ms of Redis each."""

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


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A plan with the runs of its instants, which get made unless too many wait."""

    plan: Plan
    runs: tuple[NewRun, ...] = ()
    most_waiting: int = 1

    def wanted(self) -> Wanted:
        """The question whether the runs may be made."""
        instants = tuple((run.id, at) for run, at in zip(self.runs, self.plan.instants, strict=True))
        return Wanted(standing=self.plan.standing, most_waiting=self.most_waiting, instants=instants)


def tick(store: Store, epoch: int | None = None, reached: Reached = nowhere) -> Ticked:
    """Deal with up to BATCH schedules that have an instant that is due."""
    found = store.schedules.due(BATCH)
    for schedule in found.stopped:
        deployment, _, slug = schedule.partition("/")
        events.bad_schedule(deployment=deployment, slug=slug, problem=OF_ANOTHER_TYPE)
    deployments = store.deployments.held(found.deployments)
    intents = [intent_of(one, found.now_us, deployments[one.deployment_id]) for one in found.standings]
    verdicts = store.schedules.begin([intent.wanted() for intent in intents], epoch) if intents else []
    if verdicts is None:
        return Ticked(deposed=True)
    reached("begun")
    decided = list(zip(intents, verdicts, strict=True))
    runs = runs_of(decided)
    gone = create(store, runs)
    reached("created")
    moves = [move_of(one, answers, gone) for one, answers in decided if answers or not one.plan.instants]
    if moves and store.schedules.advance(moves, epoch) is None:
        return Ticked(deposed=True)
    reached("advanced")
    return Ticked(
        made=len(runs) - len(gone),
        skipped=sum(skip.count for move in moves for skip in move.skips),
        seen=len(intents),
    )


def intent_of(standing: Standing, now_us: int, deployment: DeploymentRecord) -> Intent:
    """What to do about a schedule. One that can not be read is put aside, so that the others get their runs."""
    try:
        if deployment.problem is not None:
            raise deployment.problem
        plan = planned(standing, now_us)
        # What no run can be made of shows here: the id of a deployment that is none, tags that are no limits …
        runs = tuple(run_at(deployment, standing.slug, at) for at in plan.instants)
        return Intent(plan=plan, runs=runs, most_waiting=deployment.spec.get("max_waiting") or 1)
    except (HeadgateError, HeadgateQueueError, ValueError, TypeError, KeyError, RecursionError) as error:
        events.bad_schedule(deployment=standing.deployment_id, slug=standing.slug, problem=str(error))
        again = now_us + (NEWER_AGAIN_US if isinstance(error, NewerSchema) else BAD_AGAIN_US)
        return Intent(plan=Plan(standing=standing, instants=(), skips=(), to_us=standing.cursor_us, next_us=again))


def run_at(deployment: DeploymentRecord, slug: str, at: int) -> NewRun:
    """The run of an instant."""
    run_id = scheduled_id(deployment.id, slug, at)
    return new_run(deployment, run_id, actor="scheduler", due_us=at, reason=f"schedule {slug}")


def runs_of(decided: Sequence[tuple[Intent, Sequence[str]]]) -> list[NewRun]:
    """The runs to make, in the order in which they will stand in line."""
    pairs = [pair for intent, answers in decided for pair in zip(intent.runs, answers, strict=False)]
    return sorted((run for run, answer in pairs if answer == MAKE), key=lambda run: (run.due_us, run.id))


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


def move_of(intent: Intent, answers: Sequence[str], gone: Mapping[str, str]) -> Advance:
    """Where the cursor goes, and what is recorded as skipped on the way."""
    plan = intent.plan
    standing, skips = plan.standing, list(plan.skips)
    for run, at, answer in zip(intent.runs, plan.instants, answers, strict=True):
        queue = gone.get(run.id)
        if answer != MAKE or queue is not None:
            reason = WAITS if queue is None else f"its work queue {queue} does not exist"
            skips = with_instant(skips, standing.slug, at, reason)
    return Advance(standing=standing, to_us=plan.to_us, next_us=plan.next_us, skips=tuple(skips))


def with_instant(skips: list[Skip], slug: str, at: int, reason: str) -> list[Skip]:
    """The ranges with one more instant, which lengthens the last one when it is skipped for the same reason."""
    if skips and skips[-1].reason == reason:
        return [*skips[:-1], replace(skips[-1], last_us=at, count=skips[-1].count + 1)]
    return [*skips, Skip(slug=slug, first_us=at, last_us=at, count=1, reason=reason)]
