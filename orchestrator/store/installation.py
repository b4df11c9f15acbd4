"""One installation: everything that the control plane keeps in one Redis under one prefix."""

import redis

from orchestrator.keys import StoreKeys
from orchestrator.store.bundles import Bundles
from orchestrator.store.deployments import Deployments, revision_of
from orchestrator.store.history import Changes
from orchestrator.store.queue_use import QueueUse
from orchestrator.store.run_logs import RunLogs
from orchestrator.store.runs import FlowRuns, deployment_id_of
from orchestrator.store.schedules import Schedules
from orchestrator.store.specs import Spec
from orchestrator.store.tasks import Tasks
from orchestrator.store.traits import Traits
from queues.keys import DEFAULT_PREFIX
from queues.limits import Limits
from queues.presence import Presence
from queues.records import Run
from queues.runs import Runs
from queues.scripts import Scripts
from queues.work_queue import WorkQueues


class Store:
    """The parts of the store over one Redis client. `offset_us` moves the clock of every script, for tests.

    An agent that is silent for `silent_seconds` (lease and grace) counts as lost.
    """

    def __init__(
        self, client: redis.Redis, prefix: str = DEFAULT_PREFIX, *, offset_us: int = 0, silent_seconds: float = 32.0
    ) -> None:
        self.keys = StoreKeys(prefix)
        self.scripts = Scripts(client, prefix, offset_us=offset_us)
        """The verbs of floor 0."""
        self.own_scripts = Scripts(client, prefix, offset_us=offset_us, package="orchestrator.store")
        """The verbs of this floor."""
        self.records = Runs(self.scripts)
        self.queues = WorkQueues(self.scripts)
        self.limits = Limits(self.scripts)
        self.presence = Presence(self.scripts, silent_seconds=silent_seconds)
        self.deployments = Deployments(self.own_scripts, self.keys)
        self.bundles = Bundles(self.own_scripts, self.keys)
        """The code of deployments."""
        self.schedules = Schedules(self.own_scripts, self.keys)
        self.runs = FlowRuns(self.own_scripts, self.keys, self.records)
        self.traits = Traits(self.own_scripts, self.keys)
        self.queue_use = QueueUse(self.own_scripts, self.queues, self.deployments, self.runs)
        self.logs = RunLogs(self.own_scripts, self.keys)
        self.tasks = Tasks(self.own_scripts, self.keys)
        self.changes = Changes(self.own_scripts, self.keys)

    def spec_of(self, run: Run) -> Spec | None:
        """The spec that a run was made from, of its own revision; None when the deployment is gone."""
        return self.deployments.spec(deployment_id_of(run), revision_of(run))

    def travel(self, microseconds: int) -> None:
        """Move the clock of every script by so much more; for tests."""
        for scripts in (self.scripts, self.own_scripts):
            scripts.offset_us += microseconds
