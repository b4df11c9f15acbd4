"""The names of this floor's keys, under the name by which older modules import them."""

from orchestrator.keys import KINDS, StoreKeys, deployment_limit

__all__ = ["KINDS", "StoreKeys", "deployment_limit"]
