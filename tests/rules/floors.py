"""Who may import whom: the floors, outside libraries per floor, and imports inside functions."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.rules.source_files import PRODUCT, Source, tracked

# The longest matching name decides. A module of ours that matches nothing has no floor, which is an error of its own.
FLOORS = {
    "queues": 0,
    "queues.cli": 5,
    "queues.cli_emptying": 5,
    "queues.cli_environment": 5,
    "orchestrator.sdk": 1,
    "orchestrator.process": 1,
    "orchestrator.schedules": 1,
    "orchestrator.states": 1,
    "orchestrator.runs": 1,
    "orchestrator.deployments": 1,
    "orchestrator.deploy_file": 1,
    "orchestrator.check_code": 1,
    "orchestrator.flow_runners": 1,
    "orchestrator.config": 1,
    "orchestrator.bundles": 1,
    "orchestrator.errors": 1,
    "orchestrator.keys": 2,
    "orchestrator.store": 2,
    "orchestrator.client": 2,
    "orchestrator.scheduler": 3,
    "orchestrator.api": 3,
    "orchestrator.web": 4,
    "orchestrator.cli": 5,
    "orchestrator.__main__": 5,
    "agent": 3,
    "agent.cli": 5,
}
EXACT = {"orchestrator": 1}  # the package itself: what `from orchestrator import flow` runs

# What floor 1 may know of floor 0: the table of states, and how the address of Redis is read (as text, without Redis).
PURE_OF_QUEUES = ("queues.states", "queues.address")
# The pure floor: none of these may be loaded by code that knows neither Redis nor the web.
NOT_ON_FLOOR_1 = {"redis", "rq", "structlog", "click", "rich", "fastapi", "starlette", "uvicorn", "jinja2", "psutil"}
# A flow's process and the schedules' arithmetic load these late, inside functions only.
LATE_ON_FLOOR_1 = {"pydantic", "croniter", "dateutil", "msgpack"}

# Imports inside functions: (module prefix, what may be loaded late there, why).
LATE = (
    ("orchestrator.cli", "any", "a command loads what it needs: --help stays fast"),
    ("queues.cli", "any", "a command loads what it needs: --help stays fast"),
    ("agent.cli", "any", "a command loads what it needs: --help stays fast"),
    ("queues.rq_bridge", "rq", "rq takes its key prefix from the environment at the moment it is imported"),
    ("orchestrator.sdk", "stdlib pydantic own", "each import costs every flow's start milliseconds"),
    ("orchestrator.process", "stdlib pydantic own", "each import costs every flow's start milliseconds"),
    ("queues.glance", "ssl", "completion, which answers within a fifth of a second, rarely meets TLS"),
    ("orchestrator.client.examine", "own", "every command would load the doctor, who is seldom called"),
    ("orchestrator.config", "stdlib", "most installations have no settings file: their commands load no TOML parser"),
    ("orchestrator.deployments", "stdlib own", "a flow's file names its deployments: it pays for them at every run"),
    ("orchestrator.flow_runners", "stdlib own", "a flow's file names its deployments: it pays for them at every run"),
    ("orchestrator.schedules", "stdlib croniter dateutil own", "a flow's file names its schedules: it pays for them"),
)


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module, where, and whether inside a function."""

    target: str
    line: int
    late: bool


def imports(source: Source) -> Iterator[Import]:
    """Every import of a file, relative ones and `import_module("…")` with a literal name included."""
    package = source.module if source.path.endswith("__init__.py") else source.module.rpartition(".")[0]

    def walk(node: ast.AST, late: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            inside = late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for target in _targets(child, package):
                yield Import(target=target, line=child.lineno, late=late)
            yield from walk(child, inside)

    return walk(source.tree, False)


def _targets(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
        origin = ".".join(part for part in (base, node.module or "") if part)
        return [
            f"{origin}.{alias.name}" if origin in ("orchestrator", "agent", "queues") else origin
            for alias in node.names
        ]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            return [node.args[0].value]
    return []


def floor(module: str) -> int | None:
    """The floor of a module of ours, by its longest known name; None when it has none."""
    if module in EXACT:
        return EXACT[module]
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((FLOORS[name] for name in names if name in FLOORS), None)


def _floor_of_import(target: str) -> int | None:
    """As `floor`; `from orchestrator import flow` names a part of the package's own page, not a module."""
    package, _, name = target.partition(".")
    if package in EXACT and "." not in name and target not in FLOORS and not _is_module(target):
        return EXACT[package]
    return floor(target)


def _is_module(name: str) -> bool:
    path = name.replace(".", "/")
    return f"{path}.py" in tracked() or f"{path}/__init__.py" in tracked()


def floor_errors(source: Source) -> list[str]:
    """What a product file imports from a floor above its own, or from a package it must not know."""
    own = floor(source.module)
    if own is None:
        return [f"{source.path}: {source.module} has no floor; give it one in tests/rules/floors.py (FLOORS)"]
    return [
        f"{source.path}:{item.line}: {source.module} imports {item.target}, but {reason}"
        for item in imports(source)
        if (reason := _forbidden(source.module, own, item))
    ]


def _forbidden(module: str, own: int, item: Import) -> str:
    package, top = module.split(".")[0], item.target.split(".")[0]
    if top not in PRODUCT:
        return "" if module.endswith(".events") else _outside_forbidden(own, top, item.late)
    command_line = module.startswith("queues.cli") and top == "orchestrator"
    lazy_command_line = module.startswith("orchestrator.cli") and item.target.startswith(("agent.cli", "queues.cli"))
    if package == "queues" and top != "queues" and not command_line:
        return "queues knows neither of the other packages"
    if package == "orchestrator" and top == "agent" and not (lazy_command_line and item.late):
        return "the orchestrator never imports the agent (the command line loads agent.cli late)"
    if module.startswith(("orchestrator.sdk", "orchestrator.process")) and top == "queues":
        return "the process of a flow loads nothing of ours but the orchestrator"
    target = _floor_of_import(item.target)
    if target is None:
        return "that module has no floor in tests/rules/floors.py"
    if own == 1 and top == "queues" and not item.target.startswith(PURE_OF_QUEUES):
        return f"floor 1 is pure: of queues it may know only {' and '.join(PURE_OF_QUEUES)}"
    if module.startswith("orchestrator.web") and item.target.startswith("orchestrator.store"):
        return "pages use the functions of the API, never the store"
    return "" if target <= own or lazy_command_line else f"floor {own} never imports floor {target}"


def _outside_forbidden(own: int, top: str, late: bool) -> str:
    if own != 1:
        return ""
    if top in NOT_ON_FLOOR_1:
        return "floor 1 is pure: it knows neither Redis nor the web nor the terminal"
    if top in LATE_ON_FLOOR_1 and not late:
        return f"floor 1 loads {top} only inside the function that needs it"
    return ""


def late_import_errors(source: Source) -> list[str]:
    """Imports inside functions that are not on the list of allowed reasons (LATE)."""
    allowed = [what for prefix, what, _ in LATE if source.module == prefix or source.module.startswith(prefix + ".")]
    if source.module.endswith(".events"):
        allowed.append("structlog")  # the first event pays for the library, not every command
    return [
        f"{source.path}:{item.line}: import of {item.target} inside a function; move it to the top of the file"
        for item in imports(source)
        if item.late and not any(_late_allowed(item.target.split(".")[0], what.split()) for what in allowed)
    ]


def _late_allowed(top: str, words: list[str]) -> bool:
    if "any" in words or top in words:
        return True
    return ("stdlib" in words and top in sys.stdlib_module_names) or ("own" in words and top in PRODUCT)
