"""The client's verbs on work queues: create, list, look into, pause, limit, preview."""

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.client import views
from orchestrator.client.agents import agents
from orchestrator.client.environment import WorkQueueEnvironmentVerbs
from orchestrator.client.limit_values import WorkQueueCleared, WorkQueueDeleted, WorkQueueSlots
from orchestrator.client.limits import slots_of
from orchestrator.client.previews import preview
from orchestrator.client.queue_values import PreviewRun, WorkQueue, WorkQueueDetail
from orchestrator.client.scenes import holders_of
from orchestrator.errors import Invalid, RefusedByState, command, expected
from orchestrator.store import Store
from orchestrator.store.queue_use import Use
from queues.clock import from_us
from queues.keys import DEFAULT_QUEUE, queue_limit
from queues.presence import LOST
from queues.states import State
from queues.work_queue import WorkQueue as QueueRecord

LONGEST_PREVIEW_HOURS = 24.0 * 366
UNCLAIMED = (State.QUEUED.value, State.SCHEDULED.value)
NAMED = 5
"""Deployments that an error names."""


def ignored(_count: int) -> None:
    """Tells nobody how far something has come."""


class WorkQueueVerbs(WorkQueueEnvironmentVerbs):
    """What can be done with work queues; each is named by name, id, or the unique beginning of its id."""

    def create_work_queue(
        self,
        name: str,
        *,
        limit: int | None = None,
        priority: int | None = None,
        lease_seconds: float | None = None,
        description: str | None = None,
    ) -> WorkQueue:
        """Make a work queue; `limit` None: any number at once; `priority` 1 is served first. Raises QueueExists."""
        made = self.store.queues.create(
            name,
            limit=limit,
            priority=priority,
            lease=lease_seconds,
            description=description or "",
            actor=self.actor,
        )
        return shown(made)

    def list_work_queues(self) -> list[WorkQueue]:
        """All work queues by priority, then name."""
        return [shown(queue) for queue in self.store.queues.all()]

    def get_work_queue(self, ref: str) -> WorkQueueDetail:
        """Everything about one work queue: who holds its slots, who listens, who changed what."""
        queue = self.store.queues.get(ref)
        deployments = (one for one in self.store.deployments.all() if one.spec["work_queue"] == queue.name)
        return WorkQueueDetail(
            **fields_of(queue),
            limit_then=queue.limit_then,
            description=queue.description or None,
            lease_seconds=queue.lease_seconds,
            on_disconnect=queue.on_disconnect,
            created_time=from_us(queue.created_us),
            env=dict(queue.environment),
            agent_names=listening(self.store, queue.name),
            holders=holders_of(self.store, queue_limit(queue.name)),
            deployments=tuple(one.name for one in deployments),
            changes=tuple(views.change(change) for change in self.store.changes.of(queue_limit(queue.name))),
        )

    def work_queue_slots(self, ref: str) -> WorkQueueSlots:
        """Who holds the slots of a work queue, on which host, since when, and how long their leases last."""
        queue = self.store.queues.get(ref)
        holders = slots_of(self.store, queue_limit(queue.name))
        most = queue.concurrency_limit
        return WorkQueueSlots(
            id=queue.id,
            name=queue.name,
            concurrency_limit=most,
            running=len(holders),
            free=None if most is None else max(most - len(holders), 0),
            holders=holders,
        )

    def pause_work_queue(self, ref: str) -> WorkQueue:
        """Let no further run start; those that run go on."""
        self.store.queues.pause(self.store.queues.get(ref).name, self.actor)
        return shown(self.store.queues.get(ref))

    def resume_work_queue(self, ref: str) -> WorkQueue:
        """Let runs start again."""
        self.store.queues.resume(self.store.queues.get(ref).name, self.actor)
        return shown(self.store.queues.get(ref))

    def set_concurrency_limit(self, ref: str, limit: int, *, lasts_seconds: float | None = None) -> WorkQueue:
        """Let at most `limit` runs of the queue be executing at once; those that run already count, and go on.

        With `lasts_seconds` the limit of now comes back after that time, unless somebody changes it meanwhile.
        """
        self.store.queues.set_limit(ref, limit, self.actor, lasts_seconds=lasts_seconds)
        return shown(self.store.queues.get(ref))

    def clear_concurrency_limit(self, ref: str) -> WorkQueue:
        """Let any number of runs of the queue be executing at once."""
        self.store.queues.set_limit(ref, None, self.actor)
        return shown(self.store.queues.get(ref))

    def clear_work_queue(
        self,
        ref: str,
        *,
        states: Sequence[str] = UNCLAIMED,
        dry_run: bool = False,
        progress: Callable[[int], object] = ignored,
    ) -> WorkQueueCleared:
        """Cancel the runs that wait for a work queue, due (QUEUED) or not yet (SCHEDULED); none with `dry_run`.

        Runs made meanwhile stay. In steps of a hundred; `progress` is told after each how many were cancelled so far.
        """
        queue = self.store.queues.get(ref)
        known = tuple(unclaimed(state) for state in states) or UNCLAIMED
        ids = [run_id for piece in self.store.runs.waiting_on(queue.name, known) for run_id in piece]
        ids.reverse()  # the oldest stand first in line, where they are found at once
        done = 0
        if not dry_run:
            reason = f"work queue {queue.name} was cleared"
            steps = self.store.records.cancel_waiting(
                ids, queue=queue.name, states=known, actor=self.actor, reason=reason
            )
            for count in steps:
                done += count
                progress(done)
        return WorkQueueCleared(id=queue.id, name=queue.name, waiting=len(ids), cancelled=done)

    def delete_work_queue(self, ref: str, *, dry_run: bool = False) -> WorkQueueDeleted:
        """Remove a work queue that no run and no deployment needs; with `dry_run` only say whether that could be done.

        Raises RefusedByState, which names what needs it.
        """
        queue = self.store.queues.get(ref)
        if queue.name == DEFAULT_QUEUE:
            hint = f"`headgate work-queue clear {queue.name}` cancels what waits there, `pause` lets nothing start"
            raise RefusedByState(f"the work queue {queue.name} always exists", hint=hint)
        used = self.store.queue_use
        use = used.of(queue.name) if dry_run else used.remove(queue.name, self.actor)
        if use.any:
            raise needed(queue.name, use)
        return WorkQueueDeleted(id=queue.id, name=queue.name, listening_agents=listening(self.store, queue.name))

    def preview_work_queue(self, ref: str, *, hours: float = 24.0) -> list[PreviewRun]:
        """The runs that wait, and those to come within `hours`, with the ids and names they have or will get."""
        if not 0 < hours <= LONGEST_PREVIEW_HOURS:
            raise Invalid(expected("hours", f"more than 0 and at most {LONGEST_PREVIEW_HOURS:g}", hours), field="hours")
        return preview(self.store, self.store.queues.get(ref).name, hours, self._late_us)


def listening(store: Store, queue: str) -> tuple[str, ...]:
    """The names of the agents that listen to a work queue."""
    return tuple(agent.name for agent in agents(store) if queue in agent.queues and agent.state != LOST)


def unclaimed(state: str) -> str:
    """A state in which a run waits; raises Invalid for others."""
    if state.upper() not in UNCLAIMED:
        raise Invalid(expected("the state", " or ".join(UNCLAIMED), state), field="state")
    return state.upper()


def needed(queue: str, use: Use) -> RefusedByState:
    """The error of a work queue that can not go: what needs it, and the command that changes that."""
    named = [f"the deployment {name}" for name in use.deployments[:NAMED]]
    if rest := len(use.deployments) - len(named):
        named.append(f"{rest} more deployments")
    runs = [f"{count} {kind}" for count, kind in ((use.waiting, "waiting"), (use.held, "running")) if count]
    hints = []
    if use.deployments:
        hints.append(f"`{command('deployment', 'set-work-queue', use.deployments[0])} QUEUE --waiting` moves it")
    elif use.waiting:
        hints.append(f"`headgate work-queue clear {queue}` cancels what waits")
    if use.held:
        hints.append(f"`headgate work-queue slots {queue}` shows what runs")
    needs = [f"flow runs ({' and '.join(runs)})"] * bool(runs) + named
    return RefusedByState(f"the work queue {queue} is needed by {', '.join(needs)}", hint=", ".join(hints))


def fields_of(queue: QueueRecord) -> dict[str, Any]:
    """The fields of a listed work queue."""
    names = ("id", "name", "concurrency_limit", "paused", "priority", "queued", "running", "late", "agents")
    return {name: getattr(queue, name) for name in names} | {"limit_until": views.moment(queue.limit_until_us)}


def shown(queue: QueueRecord) -> WorkQueue:
    """A work queue as listed."""
    return WorkQueue(**fields_of(queue))
