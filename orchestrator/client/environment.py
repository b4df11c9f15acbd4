"""The variables of runs as the client changes them: those of a work queue and of one run, checked before a write."""

from collections.abc import Iterable, Mapping

from orchestrator.client.access import Access
from orchestrator.client.queue_values import WorkQueueEnvironment
from orchestrator.errors import Invalid
from orchestrator.flow_runners import variables_problem


class WorkQueueEnvironmentVerbs(Access):
    """Variables that the runs of a work queue get; those of a deployment and of a run win over them."""

    def set_work_queue_env(self, ref: str, env: Mapping[str, str]) -> WorkQueueEnvironment:
        """Give the runs of a work queue that start from now on these variables, beside those they get already."""
        queue = self.store.queues.get(ref)
        given = checked_environment(env)
        checked_environment({**queue.environment, **given})
        changed = self.store.queues.change_environment(queue.name, give=given, actor=self.actor)
        return self._environment(queue.name, changed)

    def unset_work_queue_env(self, ref: str, names: Iterable[str]) -> WorkQueueEnvironment:
        """Take variables from the runs of a work queue that start from now on; those it has not are left out."""
        queue = self.store.queues.get(ref)
        changed = self.store.queues.change_environment(queue.name, drop=list(names), actor=self.actor)
        return self._environment(queue.name, changed)

    def _environment(self, name: str, changed: tuple[str, ...]) -> WorkQueueEnvironment:
        queue = self.store.queues.get(name)
        return WorkQueueEnvironment(id=queue.id, name=queue.name, env=dict(queue.environment), changed=changed)


def checked_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Variables that a process may be given; raises Invalid for others."""
    problem = variables_problem(env)
    if problem is not None:
        field, message, hint = problem
        raise Invalid(message, field=field, hint=hint)
    return dict(env)
