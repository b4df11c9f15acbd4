"""Deployments: a flow with its schedules, parameters, tags, work queue, and how it is run.

A flow's file declares its deployments at its top, so they are declared again at every run: in a flow's process a
DeploymentSpec only keeps what it is given, and nothing else is loaded. Everywhere else it is checked when it is made.
"""

import sys

from orchestrator.sdk import context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta
    from typing import Any

    from orchestrator.flow_runners import SubprocessFlowRunner
    from orchestrator.schedules import Schedule
    from orchestrator.sdk.flows import Flow

DEFAULT_QUEUE = "default"


class GitRepository:
    """Code of a deployment that each machine fetches: a repository's address, and one commit of it, all 40 digits."""

    def __init__(self, url: str, commit: str) -> None:
        self.url = url
        self.commit = commit

    def __repr__(self) -> str:
        return f"GitRepository({self.url!r}, {self.commit!r})"


class DeploymentSpec:
    """One deployment, created or updated by `headgate deployment create FILE` under the name `flow/name`.

    The flow is either `flow=`, a function under @flow, or `flow_location=` (a file, relative to this one) with
    `flow_name=`. `parameters` are JSON values; a run may override them. `schedule=` is one, `schedules=` several.
    `requires` are labels (`gpu`, `region=eu`) that an agent must have to run it. `concurrency_limit` caps the runs of
    this deployment at once, whatever its `work_queue` allows. `retries`, `retry_delay_seconds` and `timeout_seconds`
    replace those of the flow. `on_lost` says what becomes of a run whose machine is lost: "rerun" (at most `max_lost`
    times) or "crash". `max_waiting` is how many scheduled runs may wait to start; further instants are skipped.
    `source` says how the code comes to the machines that run it: "bundle" (packed and sent along; what None means),
    "path" (it is at the same path everywhere: a shared disk, an image) or a GitRepository.
    """

    def __init__(
        self,
        flow: "Flow | None" = None,
        name: "str | None" = None,
        *,
        flow_location: "str | None" = None,
        flow_name: "str | None" = None,
        parameters: "Mapping[str, Any] | None" = None,
        schedule: "Schedule | None" = None,
        schedules: "Iterable[Schedule] | None" = None,
        tags: "Iterable[str] | None" = None,
        requires: "Iterable[str] | None" = None,
        flow_runner: "SubprocessFlowRunner | None" = None,
        work_queue: str = DEFAULT_QUEUE,
        concurrency_limit: "int | None" = None,
        retries: "int | None" = None,
        retry_delay_seconds: "float | timedelta | None" = None,
        timeout_seconds: "float | timedelta | None" = None,
        on_lost: str = "rerun",
        max_lost: int = 3,
        max_waiting: "int | None" = None,
        description: "str | None" = None,
        source: "str | GitRepository | None" = None,
        **unknown: object,
    ) -> None:
        self.flow = flow
        self.name = name
        self.flow_location = flow_location
        self.flow_name = flow_name
        self.parameters = parameters
        self.schedule = schedule
        self.schedules = schedules
        self.tags = tags
        self.requires = requires
        self.flow_runner = flow_runner
        self.work_queue = work_queue
        self.concurrency_limit = concurrency_limit
        self.retries = retries
        self.retry_delay_seconds = retry_delay_seconds
        self.timeout_seconds = timeout_seconds
        self.on_lost = on_lost
        self.max_lost = max_lost
        self.max_waiting = max_waiting
        self.description = description
        self.source = source
        if not context.in_flow_process:
            from orchestrator.deployments.declared import declare

            self.origin = declare(self, sys._getframe(1), unknown)

    def to_dict(self) -> "dict[str, Any]":
        """Everything a deployment records, as JSON values; loads the flow's file when only its location was given.

        Raises InvalidDeployment, InvalidFlowFile, InvalidParameters.
        """
        from orchestrator.deployments.recorded import recorded

        return recorded(self)

    def __repr__(self) -> str:
        return f"<DeploymentSpec {self.name!r}>"


def deployment_id(flow: str, name: str) -> str:
    """The id of the deployment `flow/name`: the same wherever and whenever it is created."""
    from orchestrator.runs import deployment_id

    return deployment_id(flow, name)
