"""Small rooms: how long a file, a function and a class may be, how deep it may nest, how much it may take."""

import ast
from collections.abc import Iterator

from tests.rules.source_files import Source

FILE_LINES = 300
FUNCTION_LINES = 50
CLASS_LINES = 250
NESTING = 3
PARAMETERS = 8

BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def file_errors(path: str, text: str) -> list[str]:
    """A file that has grown past its budget of lines."""
    lines = text.count("\n")
    return (
        [f"{path}: {lines} lines, allowed are {FILE_LINES}: split it at its second idea"] if lines > FILE_LINES else []
    )


def shape_errors(source: Source) -> list[str]:
    """Functions and classes of a file that are too long, too deep or take too much."""
    errors = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            errors += _too_long(source, node, CLASS_LINES, "class")
        if isinstance(node, FUNCTIONS):
            errors += _too_long(source, node, FUNCTION_LINES, "function")
            errors += _too_deep(source, node)
            errors += _too_many_parameters(source, node)
    return errors


def _too_long(source: Source, node: ast.stmt, allowed: int, kind: str) -> list[str]:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if lines <= allowed:
        return []
    return [f"{source.path}:{node.lineno}: {kind} {node.name} has {lines} lines, allowed are {allowed}"]


def _too_deep(source: Source, function: ast.stmt) -> list[str]:
    depth = max((depth for depth in _depths(function.body, 0)), default=0)
    if depth <= NESTING:
        return []
    return [f"{source.path}:{function.lineno}: function {function.name} nests {depth} deep, allowed is {NESTING}"]


def _depths(body: list[ast.stmt], depth: int) -> Iterator[int]:
    for node in body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue  # judged by itself
        if not isinstance(node, BLOCKS):
            continue
        yield depth + 1
        for part in _bodies(node):
            # `elif` stands in the tree as an `if` alone inside an `else`; to a reader it is no deeper.
            same = isinstance(node, ast.If) and part is node.orelse and len(part) == 1 and isinstance(part[0], ast.If)
            yield from _depths(part, depth if same else depth + 1)


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        if getattr(node, name, None):
            yield getattr(node, name)
    for group in ("handlers", "cases"):
        for item in getattr(node, group, []):
            yield item.body


def _too_many_parameters(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    decorator = source.path.startswith("orchestrator/sdk/") and node.name in ("flow", "task", "with_options")
    if decorator or node.name in ("__init__", "__new__"):
        return []
    arguments = node.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    count = len([name for name in names if name not in ("self", "cls")])
    if count <= PARAMETERS:
        return []
    return [f"{source.path}:{node.lineno}: function {node.name} takes {count} parameters, allowed are {PARAMETERS}"]
