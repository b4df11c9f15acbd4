"""What every text of the repository owes its reader: docstrings, links that lead somewhere, nothing of one machine."""

import ast
import re

from tests.rules.source_files import Source

# Written in pieces, so that this file is not its own first finding.
HOME_PATHS = re.compile("|".join(("/ho" + r"me/\w", "/ro" + r"ot/\.?\w", "/Us" + r"ers/\w", r"\bC:\\Us" + "ers")))
REGISTRY_HOSTS = re.compile(
    "|".join(("py" + r"pi\.(org|python)", "python" + "hosted", r"registry\.np" + "mjs", r"deb\.deb" + r"ian\.org")),
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")


def docstring_errors(source: Source) -> list[str]:
    """A module, or a public class or function of it, that does not say what it is for."""
    errors = []
    if source.text.strip() and not ast.get_docstring(source.tree):
        errors.append(f"{source.path}: the module has no docstring")
    for node in source.tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        overload = any("overload" in ast.unparse(item) for item in node.decorator_list)
        if not overload and not ast.get_docstring(node):
            errors.append(f"{source.path}:{node.lineno}: {node.name} is public and has no docstring")
    return errors


def machine_errors(path: str, text: str) -> list[str]:
    """Folders of somebody's home and hosts of package registries."""
    return [
        f"{path}:{number}: {what}: {found.group()!r}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in (("a path of one machine", HOME_PATHS), ("a registry's host", REGISTRY_HOSTS))
        if (found := pattern.search(line))
    ]


def link_errors(path: str, text: str, existing: set[str]) -> list[str]:
    """Links of a Markdown page to files that are not there."""
    errors = []
    for number, line in enumerate(text.splitlines(), 1):
        for target in LINK.findall(line):
            if "://" in target or target.startswith("mailto:"):
                continue
            if _resolved(path, target) not in existing:
                errors.append(f"{path}:{number}: the link to {target} leads nowhere")
    return errors


def _resolved(path: str, target: str) -> str:
    parts = path.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def package_page_errors(package: str, pages: dict[str, str]) -> list[str]:
    """A package without its one page, or with a page that is not one page."""
    text = pages.get(f"{package}/README.md", "")
    if not text.strip():
        return [f"{package}/README.md is missing: purpose, parts, guarantees, what it never does"]
    lines = text.count("\n")
    return [f"{package}/README.md has {lines} lines; one page is at most 120"] if lines > 120 else []
