"""What needs a work queue, and removing one that nothing needs."""

from dataclasses import dataclass

from orchestrator.errors import RefusedByState
from orchestrator.store.deployments import Deployments
from orchestrator.store.runs import FlowRuns
from queues.scripts import Scripts
from queues.states import State
from queues.work_queue import WorkQueues

LOOKED_AGAIN = 5
"""How often to look anew when something about deployments or runs changed meanwhile."""
OUTSIDE_THE_LINE = (State.SCHEDULED, State.PAUSED)
"""States in which a run waits for its queue and does not stand on it."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What needs a work queue: runs that wait for it or hold its slots, and deployments that send their runs there."""

    waiting: int
    held: int
    deployments: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether something does."""
        return bool(self.waiting or self.held or self.deployments)


class QueueUse:
    """Looks at one queue at a time; many runs and deployments are read in pieces, the decision is one script."""

    def __init__(self, scripts: Scripts, queues: WorkQueues, deployments: Deployments, runs: FlowRuns) -> None:
        self._scripts = scripts
        self._queues = queues
        self._deployments = deployments
        self._runs = runs

    def of(self, queue: str) -> Use:
        """What needs a queue now."""
        return self._look(queue)[0]

    def remove(self, queue: str, actor: str) -> Use:
        """Remove a queue that nothing needs, with its settings and its limit; gives what needs it, which keeps it.

        Raises RefusedByState when deployments and runs change faster than they can be looked at.
        """
        for _ in range(LOOKED_AGAIN):
            since_us = self._scripts.now_us()
            use, seen = self._look(queue)
            if use.any:
                return use
            arguments = {"queue": queue, "deployments": seen, "since": since_us, "actor": actor}
            if self._scripts.call("delete_queue", **arguments)["removed"]:
                return use
        raise RefusedByState(f"something about the work queue {queue} changed meanwhile", hint="try it again")

    def _look(self, queue: str) -> tuple[Use, dict[str, int]]:
        """What needs a queue, and the revision of every deployment that was looked at."""
        found, line = self._deployments.all(), self._queues.get(queue)
        outside = sum(map(len, self._runs.waiting_on(queue, OUTSIDE_THE_LINE)))
        deployments = tuple(one.name for one in found if one.spec["work_queue"] == queue)
        use = Use(waiting=line.queued + outside, held=line.running, deployments=deployments)
        return use, {one.id: one.revision for one in found}
