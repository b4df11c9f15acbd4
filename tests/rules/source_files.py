"""The files the house rules look at: what git tracks or would track, parsed once."""

import ast
import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("orchestrator", "agent", "queues")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One Python file: its path from the top of the checkout, its text and its tree."""

    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The parsed module; a syntax error is an error of the test run."""
        return ast.parse(self.text, filename=self.path)

    @property
    def module(self) -> str:
        """The dotted name under which the file is imported."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def top(self) -> str:
        """The first folder: a package, `tests` or `deploy`."""
        return self.path.split("/", 1)[0]


def sample(path: str, text: str) -> Source:
    """A made-up file, for the tests that show a rule can fail."""
    return Source(path=path, text=text)


@functools.cache
def tracked() -> tuple[str, ...]:
    """Paths of every file that is or would be committed, ignored ones left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(sorted(name for name in set(names) if (ROOT / name).is_file()))


@functools.cache
def python_files(*tops: str) -> tuple[Source, ...]:
    """Every Python file below the given first folders (all of them when none is given)."""
    chosen = [name for name in tracked() if name.endswith(".py") and (not tops or name.split("/", 1)[0] in tops)]
    return tuple(Source(path=name, text=(ROOT / name).read_text(encoding="utf-8")) for name in chosen)


def texts() -> list[tuple[str, str]]:
    """(path, text) of every tracked file that is text."""
    found = []
    for name in tracked():
        try:
            found.append((name, (ROOT / name).read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found
