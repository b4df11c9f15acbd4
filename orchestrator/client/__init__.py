"""``from orchestrator.client import Client``: the verbs of the command line, from Python."""

from orchestrator.client.client import Client
from orchestrator.client.values import FlowRun, FlowRunDetail

__all__ = ["Client", "FlowRun", "FlowRunDetail"]
