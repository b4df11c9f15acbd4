"""The file a flow lives in: where it may stand, how it is loaded, which flow is meant, and the digest of its code."""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from orchestrator.deployments.source_text import LARGEST_FILE, python_text
from orchestrator.errors import InvalidDeployment, InvalidFlowFile, did_you_mean, expected, shown
from orchestrator.process import user_code
from orchestrator.sdk.flows import Flow

DIGEST_LETTERS = 16
# Never replaced nor forgotten: our own package, and what decodes every text.
KEPT = frozenset({"orchestrator", "encodings", "__pycache__"})


def code_version(path: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file; raises OSError."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:DIGEST_LETTERS]


def located(location: str, folder: str) -> str:
    """The absolute path of a flow's file, given relative to the folder of the deployment file, never outside of it."""
    if "://" in location or "\0" in location:
        hint = "name a file beside this one; source=GitRepository(url, commit) fetches it from a repository"
        raise misplaced(expected("flow_location", "the path of a Python file", location), hint)
    if ":" in location:
        raise misplaced(expected("flow_location", "a path without the flow's name", location), "use flow_name='…'")
    if ".." in location.split("/"):
        hint = f"name a file below {folder}, without `..`"
        raise misplaced(f"flow_location {shown(location)} leads out of the folder of the deployment file", hint)
    path = os.path.normpath(os.path.join(folder, location))
    if not is_inside(path, folder):
        raise misplaced(
            f"flow_location {shown(location)} is outside the folder of the deployment file", f"move it below {folder}"
        )
    if os.path.lexists(path) and not is_inside(os.path.realpath(path), os.path.realpath(folder)):
        raise misplaced(f"flow_location {shown(location)} is a link that leads out of {folder}", "copy the file there")
    if not path.endswith(".py"):
        raise misplaced(expected("flow_location", "a Python file (….py)", location), "use flow_name= for the function")
    if not os.path.isfile(path):
        there = [name for name in listed(os.path.dirname(path)) if name.endswith(".py")]
        raise misplaced(
            f"flow_location {shown(location)}: there is no file {path}", did_you_mean(os.path.basename(path), there)
        )
    return path


def misplaced(message: str, hint: str | None) -> InvalidDeployment:
    """The error of a location."""
    return InvalidDeployment(message, field="flow_location", hint=hint)


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is below a folder; both absolute and normal."""
    return path.startswith(folder.rstrip("/") + "/")


def listed(folder: str) -> list[str]:
    """The names in a folder, none if it can not be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


@contextmanager
def loaded(path: str, folder: str) -> Iterator[dict[str, Any]]:
    """The names of a file after running it as a module, with its folder first on sys.path while the block lasts.

    Afterwards the modules of that folder are forgotten, so that the `utils.py` of another folder is not mistaken for
    this one's. The file is compiled from its text: bytecode may be that of an edit within the same second.
    """
    with own_modules(folder):
        sys.path.insert(0, folder)
        sys.argv[:] = [path]
        yield vars(executed(path))


@contextmanager
def own_modules(folder: str) -> Iterator[None]:
    """A block in which modules of a folder win over equally named ones that are loaded, and are forgotten after it."""
    path, arguments, modules = sys.path[:], sys.argv[:], dict(sys.modules)
    for name in shadowed(folder):
        del sys.modules[name]
    try:
        yield
    finally:
        sys.path[:], sys.argv[:] = path, arguments
        for name, module in list(sys.modules.items()):
            if modules.get(name) is not module and top(name) not in KEPT and is_of(file_of(module), folder):
                del sys.modules[name]
        for name, module in modules.items():
            sys.modules.setdefault(name, module)


def shadowed(folder: str) -> list[str]:
    """Loaded modules, with what is inside them, for which a folder has a file of the same name."""
    names = {name.partition(".")[0] for name in listed(folder)} - KEPT
    tops = {name for name in names if name in sys.modules and is_replaceable(sys.modules[name], folder)}
    return [name for name in sys.modules if top(name) in tops]


def top(name: str) -> str:
    """The outermost package of a module."""
    return name.partition(".")[0]


def is_replaceable(module: ModuleType, folder: str) -> bool:
    """Whether another file of its name may come before a module: not for what the interpreter started with."""
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    file = file_of(module)
    return bool(file) and origin not in ("built-in", "frozen") and not is_of(file, folder)


def is_of(file: str, folder: str) -> bool:
    """Whether a file is the user's, below a folder, and not of a virtual environment that stands there too."""
    path = os.path.abspath(file) if file else ""
    libraries = [entry for entry in sys.path if is_inside(entry, folder)]
    return is_inside(path, folder) and not any(is_inside(path, entry) for entry in libraries)


def file_of(module: ModuleType) -> str:
    """The file a module came from, or nothing."""
    return getattr(module, "__file__", None) or ""


def executed(path: str) -> ModuleType:
    """Run a file as a module of its own name, so that its `__main__` part does not run; raises whatever it raises."""
    name = user_code.module_name(path)
    module = ModuleType(name)
    module.__file__ = path
    with open(path, "rb") as file:
        data = file.read(LARGEST_FILE + 1)
    python_text(path, data)
    code = compile(data, path, "exec", dont_inherit=True)
    sys.modules[name] = module
    try:
        exec(code, vars(module))
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def flows_of(names: Mapping[str, Any]) -> dict[str, Flow]:
    """The flows among the names of a file, in order, each under its first name."""
    found: dict[str, Flow] = {}
    for name, value in names.items():
        if isinstance(value, Flow) and not any(value is other for other in found.values()):
            found[name] = value
    return found


def chosen(names: Mapping[str, Any], flow_name: str | None, path: str) -> tuple[str, Flow]:
    """The function's name and the flow that is meant: by function, by the flow's own name, or the only one there is.

    An error about `flow_name` names no file as its place: what has to be changed is the deployment.
    """
    flows = flows_of(names)
    file = os.path.basename(path)
    if not flows:
        raise InvalidFlowFile(
            f"there is no flow in {file}: no function has @flow above it",
            code="no-flow",
            file=path,
            hint="put `@flow` (from orchestrator import flow) above a function",
        )
    if flow_name is None and len(flows) == 1:
        return next(iter(flows.items()))
    there = ", ".join(flows)
    if flow_name is None:
        message = f"there are {len(flows)} flows in {file}: {there}"
        raise InvalidFlowFile(message, code="several-flows", field="flow_name", hint="choose with flow_name=")
    by_own_name = {flow.name: function for function, flow in flows.items()}
    function = flow_name if flow_name in flows else by_own_name.get(flow_name)
    if function is not None:
        return function, flows[function]
    if flow_name in names:
        message = f"{flow_name} in {file} is a {type(names[flow_name]).__name__}, not a flow"
        raise InvalidFlowFile(message, code="not-a-flow", field="flow_name", hint=f"flows there: {there}")
    hint = did_you_mean(flow_name, [*flows, *by_own_name]) or f"flows there: {there}"
    message = f"there is no flow {shown(flow_name)} in {file}"
    raise InvalidFlowFile(message, code="no-flow", field="flow_name", hint=hint)


def named_in(names: Mapping[str, Any], flow: Flow) -> str | None:
    """The name under which a file holds a flow, or else one made from the same function; None when it holds neither."""
    same = [name for name, value in names.items() if value is flow]
    related = [name for name, value in names.items() if isinstance(value, Flow) and value.fn is flow.fn]
    return next(iter([name for name in same if name == flow.fn.__name__] + same + related), None)
