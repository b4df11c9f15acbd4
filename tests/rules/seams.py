"""One seam to each outside thing: where rq, Redis key names, Lua and sleeps may stand, and what stands nowhere."""

import ast
import re
from collections.abc import Iterator

from tests.rules.floors import imports
from tests.rules.source_files import Source

RQ_SEAM = "queues/rq_bridge.py"
SCRIPT_SEAM = "queues/scripts.py"
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve"}

# A key is built from the prefix and a part that begins with a colon: f"{prefix}:run:{id}".
KEY_PART = re.compile(r"^:[a-z][a-z-]*(:|$)|\{headgate\}:|^rq:(queue|job|worker)s?\b")
LUA = re.compile(r"\bredis\.p?call\s*\(")


def _constants(tree: ast.AST) -> Iterator[ast.Constant]:
    """String constants that are values, docstrings left out."""
    prose = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose.add(id(node.value))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def _imported(source: Source) -> Iterator[tuple[str, int]]:
    return ((item.target.split(".")[0], item.line) for item in imports(source))


def rq_errors(source: Source) -> list[str]:
    """Imports of rq outside its one seam."""
    if source.path == RQ_SEAM:
        return []
    lines = [line for name, line in _imported(source) if name == "rq"]
    return [f"{source.path}:{line}: import of rq; only {RQ_SEAM} knows it" for line in lines]


def pickle_errors(source: Source) -> list[str]:
    """Imports of pickle and of what is built on it."""
    found = [(name, line) for name, line in _imported(source) if name in PICKLES]
    return [f"{source.path}:{line}: import of {name}; nothing here reads or writes pickles" for name, line in found]


def name_errors(path: str) -> list[str]:
    """File and folder names that say nothing about what is inside."""
    parts = [part.rsplit(".", 1)[0] for part in path.split("/")]
    bad = sorted(FORBIDDEN_NAMES.intersection(parts))
    return [f"{path}: a name like {bad[0]!r} says nothing; name the file after its one idea"] if bad else []


def key_errors(source: Source) -> list[str]:
    """Redis key names in Python outside the files called keys.py."""
    if source.path.endswith("/keys.py"):
        return []
    return [
        f"{source.path}:{node.lineno}: {node.value[:40]!r} looks like a Redis key name; those stand in keys.py"
        for node in _constants(source.tree)
        if KEY_PART.search(node.value)
    ]


def lua_errors(source: Source) -> list[str]:
    """Lua in Python strings, and scripts sent to Redis past the loader."""
    errors = [
        f"{source.path}:{node.lineno}: Lua in a Python string; it belongs in a file under lua/"
        for node in _constants(source.tree)
        if LUA.search(node.value)
    ]
    if source.path == SCRIPT_SEAM:
        return errors
    calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]
    senders = ("eval", "evalsha", "register_script", "script_load")
    errors += [
        f"{source.path}:{node.lineno}: .{node.func.attr}() is called past the loader in {SCRIPT_SEAM}"
        for node in calls
        if isinstance(node.func, ast.Attribute) and node.func.attr in senders
    ]
    return errors


def sleep_errors(source: Source) -> list[str]:
    """Sleeps in a test file: a test waits for a condition with a deadline. Flows and tasks under test may take time."""
    return [
        f"{source.path}:{line}: a test never sleeps; wait for a condition with a deadline"
        for line in _sleeps(source.tree)
    ]


def _sleeps(node: ast.AST) -> Iterator[int]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and _is_users_code(child):
            continue
        if isinstance(child, ast.Call) and _called(child) == "sleep":
            yield child.lineno
        yield from _sleeps(child)


def _is_users_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {_called(item) if isinstance(item, ast.Call) else ast.unparse(item) for item in function.decorator_list}
    return bool(names & {"flow", "task"})


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def lua_header_errors(path: str, text: str) -> list[str]:
    """A script whose head does not say what it does, what it takes and what it returns."""
    head = "\n".join(line for line in text.splitlines()[:25] if line.startswith("--"))
    missing = [word for word in ("ARGV", "eturns") if word not in head]
    return [f"{path}: its head comment must say what it takes (ARGV) and what it returns"] if missing else []
