"""The same verbs as the command line, from Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from orchestrator.client.values import (
    AgentDetail,
    AgentInfo,
    Cancelled,
    Deployed,
    Deployment,
    DeploymentDeleted,
    DeploymentDetail,
    Explanation,
    FlowRun,
    FlowRunDetail,
    LogLine,
    PreviewRun,
    WorkQueue,
    WorkQueueDetail,
)

if TYPE_CHECKING:
    from orchestrator.config import Settings


class Client:
    """Talks to the installation's Redis directly. ``ref`` everywhere: full id, unique id prefix, or name.

    An unknown ref raises ``NotFound`` with the nearest three names, an ambiguous one ``Ambiguous`` with the list.
    """

    address: str  # the Redis it talks to, password masked

    @classmethod
    def from_settings(cls, settings: Settings | None = None, *, actor: str | None = None) -> Self:
        """A client of the installation that the settings name; without HEADGATE_REDIS_URL, of the embedded Redis."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
    def close(self) -> None: ...
    def server_version(self) -> str: ...

    # deployments
    def create_from_specs(self, specs: Sequence[Mapping[str, Any]], *, create_queues: bool = False) -> list[Deployed]:
        """Apply every spec, or none when one of them is refused."""
        ...

    def create_from_spec(self, spec: Mapping[str, Any], *, create_queues: bool = False) -> Deployed: ...
    def list_deployments(self, *, work_queue: str | None = None) -> list[Deployment]: ...
    def get_deployment(self, ref: str) -> DeploymentDetail: ...
    def delete_deployment(self, ref: str) -> DeploymentDeleted: ...
    def pause_deployment(self, ref: str) -> Deployment: ...
    def resume_deployment(self, ref: str) -> Deployment: ...
    def run_deployment(
        self,
        ref: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        at: datetime | None = None,
        request_id: str | None = None,
    ) -> FlowRun: ...

    # flow runs
    def get_flow_run(self, ref: str) -> FlowRunDetail: ...
    def list_flow_runs(
        self,
        *,
        limit: int = 50,
        states: Sequence[str] = (),
        deployment: str | None = None,
        work_queue: str | None = None,
        since: datetime | None = None,
        after: str | None = None,
    ) -> list[FlowRun]:
        """Newest first; ``after`` is the id of the last run of the page before."""
        ...

    def read_logs(self, ref: str, *, after: str | None = None, limit: int = 1000) -> list[LogLine]:
        """Lines in order; ``after`` is the ``position`` of the last line read."""
        ...

    def follow_logs(self, ref: str, *, after: str | None = None) -> Iterator[LogLine]:
        """Lines as they come; ends when the run has ended and its last line was given."""
        ...

    def watch(self, ref: str, *, timeout: float | None = None) -> Iterator[FlowRun]:
        """The run now and after each of its moves; ends after its terminal state, or when ``timeout`` seconds passed."""
        ...

    def cancel(self, ref: str, *, reason: str | None = None, request_id: str | None = None) -> Cancelled: ...
    def retry(self, ref: str, *, request_id: str | None = None) -> FlowRun: ...
    def explain(self, ref: str) -> Explanation: ...

    # work queues
    def create_work_queue(
        self,
        name: str,
        *,
        limit: int | None = None,
        priority: int | None = None,
        lease_seconds: float | None = None,
        description: str | None = None,
    ) -> WorkQueue: ...
    def list_work_queues(self) -> list[WorkQueue]: ...
    def get_work_queue(self, ref: str) -> WorkQueueDetail: ...
    def pause_work_queue(self, ref: str) -> WorkQueue: ...
    def resume_work_queue(self, ref: str) -> WorkQueue: ...
    def set_concurrency_limit(self, ref: str, limit: int) -> WorkQueue: ...
    def clear_concurrency_limit(self, ref: str) -> WorkQueue: ...
    def preview_work_queue(self, ref: str, *, hours: float = 24.0) -> list[PreviewRun]: ...

    # agents
    def list_agents(self) -> list[AgentInfo]: ...
    def get_agent(self, ref: str) -> AgentDetail: ...
    def drain_agent(self, ref: str) -> AgentInfo: ...
    def stop_agent(self, ref: str) -> AgentInfo: ...
