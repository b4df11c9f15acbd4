"""`from orchestrator.client import Client`: the verbs of the command line, from Python.

The parts: one file per group of verbs, `values` (what they answer), `views` and `explain` (pure: from records to
values), `scenes` and `previews` (what these are made from).
"""

from orchestrator.client.client import Client
from orchestrator.client.values import FlowRun, FlowRunDetail

__all__ = ["Client", "FlowRun", "FlowRunDetail"]
