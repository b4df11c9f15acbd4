"""What operators change about a deployment without its file: whether its schedules run, which work queue it uses."""

from orchestrator.client.access import Access
from orchestrator.client.deployment_checks import placed
from orchestrator.client.deployment_values import DeploymentMoved, DeploymentSwitched
from orchestrator.client.deployment_views import summary
from orchestrator.errors import RefusedByState
from orchestrator.store.deployments import OUTDATED, DeploymentRecord
from orchestrator.store.instants import passed_over
from orchestrator.store.run_lists import Filter
from queues.states import State

APPLIED_AGAIN = 5
"""How often a change of one field is made anew over a deploy of somebody else that came in between."""
UNCLAIMED = (State.QUEUED, State.SCHEDULED)


class DeploymentChangeVerbs(Access):
    """Pause, resume, set-work-queue."""

    def pause_deployment(self, ref: str) -> DeploymentSwitched:
        """Stop the schedules of a deployment; it can still be run by hand, and runs that wait already go on."""
        found = self.store.deployments.find(ref)
        changed = self.store.deployments.set_paused(found.id, True, {}, self.actor)
        return self._switched(found.id, changed)

    def resume_deployment(self, ref: str) -> DeploymentSwitched:
        """Let schedules go on from now; the instants since the pause are recorded as skipped."""
        found = self.store.deployments.find(ref)
        if not found.paused:
            return self._switched(found.id, False)
        now_us = self._now_us()
        moves = [passed_over(standing, now_us, "the deployment was paused") for standing in found.schedules]
        self.store.schedules.advance(moves)
        next_due = {move.standing.slug: move.next_us for move in moves if move.next_us is not None}
        changed = self.store.deployments.set_paused(found.id, False, next_due, self.actor)
        skipped = sum(skip.count for move in moves for skip in move.skips)
        return self._switched(found.id, changed, skipped if changed else 0)

    def set_work_queue(self, ref: str, work_queue: str, *, waiting: bool = False) -> DeploymentMoved:
        """Send the runs of a deployment to another work queue from now on; with `waiting`, those that wait already too.

        It is a new revision. Runs that an agent holds stay where they are. Done again it moves what was made meanwhile.
        """
        queue = self.store.queues.get(work_queue).name
        before, revision = self._requeue(self.store.deployments.find(ref), queue)
        moved = 0
        if waiting:
            ids = [run_id for piece in self.store.runs.waiting_of(before.id) for run_id in piece]
            ids.reverse()  # the oldest stand first in their lines, where they are found at once
            moved = self.store.records.transfer(ids, queue, actor=self.actor)
        return DeploymentMoved(
            id=before.id,
            name=before.name,
            work_queue=queue,
            previous_work_queue=before.spec["work_queue"],
            changed=revision != before.revision,
            revision=revision,
            moved_runs=moved,
            waiting_elsewhere=self._waiting_elsewhere(before.id, queue),
        )

    def _switched(self, deployment: str, changed: bool, skipped: int = 0) -> DeploymentSwitched:
        return DeploymentSwitched(
            **summary(self.store.deployments.find(deployment), self._now_us()),
            changed=changed,
            waiting_runs=sum(map(len, self.store.runs.waiting_of(deployment))),
            skipped_instants=skipped,
        )

    def _requeue(self, found: DeploymentRecord, queue: str) -> tuple[DeploymentRecord, int]:
        """Apply the deployment as it is with another work queue; gives what it was before, and its revision now."""
        for _ in range(APPLIED_AGAIN):
            if found.problem is not None:
                raise found.problem
            spec = {**found.spec, "work_queue": queue}
            schedules = placed(spec, self._now_us())
            put = self.store.deployments.put(found.id, spec, schedules, self.actor, base=found.revision)
            if put.status != OUTDATED:
                return found, put.revision
            found = self.store.deployments.find(found.id)
        text = f"the deployment {found.name} was changed by somebody else each time"
        raise RefusedByState(text, hint="do it again when nobody deploys it")

    def _waiting_elsewhere(self, deployment_id: str, queue: str) -> int:
        """Count the waiting runs of a deployment that are not on a queue; their records are not read one by one."""
        there = Filter(states=UNCLAIMED, deployment_id=deployment_id, queue=queue)
        count = sum(map(len, self.store.runs.waiting_of(deployment_id))) - sum(map(len, self.store.runs.ids(there)))
        return max(count, 0)  # runs move between the two looks
