"""Keys that stand twice in a dict of a DeploymentSpec: Python takes the last one without a word."""

import ast
import warnings
from collections.abc import Iterator

from orchestrator.errors import InvalidDeployment, shown


def refuse_doubled_keys(data: bytes, path: str) -> None:
    """Raise InvalidDeployment for the first doubled key; a file that can not be parsed is left to its loading."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are said when the file is loaded
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for key, first, second in doubled_keys(tree):
        error = InvalidDeployment(
            f"the key {shown(key)} comes twice, in lines {first} and {second}",
            hint="keep one: Python would take the last one without a word",
        )
        error.file, error.line = path, second  # type: ignore[attr-defined]
        raise error


def doubled_keys(tree: ast.AST) -> Iterator[tuple[object, int, int]]:
    """The doubled keys of all dicts inside calls of DeploymentSpec: the key, its line, and that of the double."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node.func) == "DeploymentSpec")
    dicts = (node for call in calls for node in ast.walk(call) if isinstance(node, ast.Dict))
    for node in dicts:
        seen: dict[object, int] = {}
        for key in node.keys:
            if isinstance(key, ast.Constant) and key.value in seen:
                yield key.value, seen[key.value], key.lineno
            elif isinstance(key, ast.Constant):
                seen[key.value] = key.lineno


def name_of(called: ast.expr) -> str:
    """The last name of what is called: `DeploymentSpec`, `deployments.DeploymentSpec`."""
    return str(getattr(called, "attr", getattr(called, "id", "")))
