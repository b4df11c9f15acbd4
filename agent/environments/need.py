"""The environment that a deployment's runs need: requirement lines, and the Python that it is made from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from agent.runners.environment import find_interpreter
from orchestrator.deployments import requirements
from orchestrator.errors import InvalidDeployment


@dataclass(frozen=True, kw_only=True)
class EnvironmentNeed:
    """Requirements for an interpreter; `python` None is the agent's own."""

    kind: ClassVar[str] = "environment"
    part: ClassVar[str] = "environment"
    lines: tuple[str, ...]
    python: str | None = None

    @property
    def key(self) -> str:
        """A short text of its own, the same for equal needs."""
        digest = hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()
        return f"{self.kind}-{digest}"

    def to_dict(self) -> dict[str, Any]:
        """Its fields, as `of` takes them."""
        return {"lines": list(self.lines), "python": self.python}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "EnvironmentNeed":
        """The need of these fields."""
        python = fields.get("python")
        return cls(lines=tuple(map(str, fields["lines"])), python=None if python is None else str(python))


def environment_need(spec: Mapping[str, Any], own: Mapping[str, str]) -> EnvironmentNeed | None:
    """What a deployment's spec asks for; None when it requires nothing. `own` is the agent's environment, for its PATH.

    Raises ValueError for lines that no deployment may have: what stands in Redis may have been written by anybody.
    """
    lines = spec.get("requirements") or ()
    if not lines:
        return None
    if not isinstance(lines, list | tuple):
        raise ValueError(f"expected its requirements to be a list, got {type(lines).__name__}")
    try:
        checked = requirements.lines_of(list(lines), "/")
    except InvalidDeployment as error:
        raise ValueError(error.message) from error
    python = find_interpreter(
        python=spec.get("python"), virtualenv=None, condaenv=None, folder=str(spec["folder"]), own=own
    )
    return EnvironmentNeed(lines=tuple(checked), python=python)
