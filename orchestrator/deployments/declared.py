"""Where a deployment was declared, and the list of those that were declared while a file was loaded."""

import os
from types import FrameType
from typing import Any

from orchestrator.deployments import DeploymentSpec, arguments


class Origin:
    """The file and line that declared a deployment, and the names of that file, among which its flow is looked for."""

    def __init__(self, path: str, line: int, namespace: dict[str, Any]) -> None:
        self.path = path
        self.line = line
        self.namespace = namespace

    @property
    def folder(self) -> str:
        """The folder of the file, to which a flow's location is relative."""
        return os.path.dirname(self.path)

    def __str__(self) -> str:
        return f"{os.path.basename(self.path)}:{self.line}"


# While a file is loaded: what it has declared so far. Outside of that nothing is kept.
_collected: list[DeploymentSpec] | None = None


def declare(spec: DeploymentSpec, frame: FrameType, unknown: dict[str, object]) -> Origin:
    """Check a spec as it is made, note it if a file is being loaded, and answer where it stands."""
    arguments.check(spec, unknown)
    if _collected is not None:
        _collected.append(spec)
        frame = top_of_file(frame)
    return Origin(os.path.abspath(frame.f_code.co_filename), frame.f_lineno, frame.f_globals)


def top_of_file(frame: FrameType) -> FrameType:
    """The line at the top of the file being loaded that led here, be it through functions of other files."""
    top: FrameType | None = frame
    while top is not None and top.f_code.co_name != "<module>":
        top = top.f_back
    return top or frame


class Collection:
    """Keeps the specs that are made inside a `with` block; blocks may stand inside each other."""

    def __init__(self) -> None:
        self.specs: list[DeploymentSpec] = []

    def __enter__(self) -> list[DeploymentSpec]:
        global _collected
        self._outer, _collected = _collected, self.specs
        return self.specs

    def __exit__(self, *_: object) -> None:
        global _collected
        _collected = self._outer
