"""What the client answers about flows; frozen values, as in `values`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orchestrator.client.values import FlowRun, Value


class FlowInfo(Value):
    """A flow as listed: its deployments, the files they load it from, and its last run that was due."""

    name: str
    deployments: tuple[str, ...]  # flow/deployment, by name
    work_queues: tuple[str, ...]
    paths: tuple[str, ...]
    next_scheduled_time: datetime | None
    last_run_id: str | None
    last_run_name: str | None
    last_run_state: str | None  # its state's name: Completed, Late …
    last_run_time: datetime | None  # when it started, or is due


class FlowParameter(Value):
    """One parameter of a flow."""

    name: str
    type: str
    required: bool
    default: Any


class FlowDeployment(Value):
    """One deployment of a flow, in short."""

    name: str
    work_queue: str
    schedule: str | None
    next_scheduled_time: datetime | None
    paused: bool
    revision: int
    code_version: str | None


class FlowDetail(FlowInfo):
    """A flow with everything that `inspect` shows; code and parameters are those of the deployment applied last."""

    path: str
    function: str
    description: str | None
    parameters: tuple[FlowParameter, ...]
    deployment_details: tuple[FlowDeployment, ...]
    recent_runs: tuple[FlowRun, ...]  # newest first
