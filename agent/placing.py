"""Where the code of a deployment is on this machine, which interpreter runs it, and where it works."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import dirname, normpath
from typing import Any

from agent.code.bundle import BundleNeed
from agent.code.git import GitNeed
from agent.code.tree import checked_parts
from agent.environments.need import environment_need
from agent.errors import LaunchFailed, NotLaunched, NotOnThisMachine, PreparationFailed
from agent.needs import Need
from agent.runners.environment import find_interpreter

Place = Callable[[Need], Path | None]
"""The ready folder of a need; None when it must be prepared first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """Paths on this machine; they mean nothing while something is missing."""

    path: str = ""
    folder: str = ""
    working_dir: str = ""
    links: str | None = None
    interpreter: str | None = None
    needs: tuple[Need, ...] = ()
    missing: tuple[Need, ...] = ()
    problem: NotLaunched | None = None


def placed(
    spec: Mapping[str, Any], place: Place, *, own: Mapping[str, str], room: str | None, host: str = "this machine"
) -> Placed:
    """Where a deployment is; `room` is the private working folder that a run of it may have.

    Raises KeyError, TypeError and ValueError for a spec that is none.
    """
    try:
        needs = [need for need in (code_need(spec, host), environment_need(spec, own)) if need is not None]
        places = {need.kind: place(need) for need in needs}
    except PreparationFailed as failed:
        return Placed(problem=LaunchFailed(str(failed)))
    except NotLaunched as problem:
        return Placed(problem=problem)
    missing = tuple(need for need in needs if places[need.kind] is None)
    if missing:
        return Placed(needs=tuple(needs), missing=missing)
    root = next((places[need.kind] for need in needs if need.part == "code"), None)
    found = on_its_path(spec) if root is None else in_tree(spec, str(root), room)
    return replace(found, interpreter=interpreter_of(spec, places, own), needs=tuple(needs))


def code_need(spec: Mapping[str, Any], host: str) -> Need | None:
    """What the code of a deployment needs; None when it is on a path. NotOnThisMachine when only a newer agent knows.

    A deployment that an earlier Headgate recorded says nothing of where its code comes from: it is on its path.
    """
    source = spec.get("source") or {"kind": "path"}
    match source["kind"]:
        case "path":
            return None
        case "bundle":
            return BundleNeed(str(source["digest"]))
        case "git":
            return GitNeed(str(source["url"]), str(source["commit"]))
    kind = str(source["kind"])[:40]
    raise NotOnThisMachine(f"{host} can not run it: its code comes by {kind!r}, which needs a newer Headgate")


def interpreter_of(spec: Mapping[str, Any], places: Mapping[str, Path | None], own: Mapping[str, str]) -> str | None:
    """The Python to run it with; None is the agent's own."""
    environment = places.get("environment")
    if environment is not None:
        return str(environment / "bin" / "python")
    return find_interpreter(
        python=spec.get("python"),
        virtualenv=spec.get("virtualenv"),
        condaenv=spec.get("condaenv"),
        folder=str(spec["folder"]),
        own=own,
    )


def on_its_path(spec: Mapping[str, Any]) -> Placed:
    """A deployment whose code is at the same path on every machine."""
    folder = str(spec["folder"])
    return Placed(path=str(spec["path"]), folder=folder, working_dir=str(spec.get("working_dir") or folder))


def in_tree(spec: Mapping[str, Any], root: str, room: str | None) -> Placed:
    """A deployment whose code was brought here."""
    folder = inside(root, spec["source"].get("subfolder") or "")
    path = inside(folder, spec["entry"])
    wanted = spec.get("working_dir")
    if not wanted and room:
        return Placed(path=path, folder=folder, working_dir=room, links=dirname(path))
    working_dir = wanted if wanted and wanted.startswith("/") else inside(folder, normpath(wanted or "."))
    return Placed(path=path, folder=folder, working_dir=working_dir)


def inside(root: str, path: str) -> str:
    """A path below another; raises ValueError when it leads out."""
    if path in ("", "."):
        return root
    try:
        return f"{root}/{'/'.join(checked_parts(path))}"
    except PreparationFailed as failed:
        raise ValueError(str(failed)) from failed
