"""The ignore file means what the same lines mean to git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.bundles.ignored import Ignored

LINES = [
    *("*.csv", "data/", "/top.py", "a/b", "a/*/c", "**/deep", "lib/**", "a/**/c", "!keep.csv", "# comment", "", "   "),
    *("\\#hash", "\\!bang", "t?st", "[abc].txt", "[!abc].md", "[a-c]x", "trail  ", "kept\\ ", "*.py[co]", "**", "a**b"),
    *(
        "/",
        "!",
        "[",
        "[z-a]",
        "a[",
        "x\\",
        "*/one",
        "/a/",
        "foo/**/",
        "b[]]c",
        "[a\\]]d",
        "s[/]t",
        "*",
        "!a/",
        "q[^x]r",
        "[a-]z",
    ),
]
PATHS = [
    *(
        "x.csv",
        "keep.csv",
        "a/x.csv",
        "data/x",
        "a/data/x",
        "data",
        "top.py",
        "a/top.py",
        "a/b",
        "x/a/b",
        "a/b/c",
        "a/x/c",
    ),
    *(
        "a/x/y/c",
        "a/c",
        "deep",
        "x/deep",
        "x/deep/y",
        "lib/x",
        "lib",
        "x/lib/y",
        "#hash",
        "!bang",
        "test",
        "tst",
        "a.txt",
    ),
    *(
        "d.txt",
        "a.md",
        "d.md",
        "bx",
        "trail",
        "trail  ",
        "kept ",
        "kept",
        "m.pyc",
        "m.py",
        "a-b",
        "axxb",
        "a/zb",
        "one",
    ),
    *(
        "x/one",
        "x/y/one",
        "foo/x/y",
        "foo/x",
        "b]c",
        "]d",
        "s/t",
        "[",
        "a[",
        "x\\",
        "é.csv",
        "qyr",
        "qxr",
        "-z",
        "a.z",
        "q/r",
    ),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def by_git(repository: Path, text: str) -> set[str]:
    """The paths that git ignores with these lines."""
    (repository / ".gitignore").write_text(text)
    asked = "\0".join(PATHS).encode()
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"], cwd=repository, input=asked, capture_output=True
    )
    return {name for name in done.stdout.decode().split("\0") if name}


def by_us(text: str) -> set[str]:
    """The paths that we leave out: those ignored, and all below folders that are."""
    ignored = Ignored.of(text)

    def out(path: str) -> bool:
        parts = path.split("/")
        above = ["/".join(parts[:length]) for length in range(1, len(parts))]
        return any(ignored.takes(folder, folder=True) for folder in above) or ignored.takes(path, folder=False)

    return {path for path in PATHS if out(path)}


def test_each_line_means_what_it_means_to_git(repository: Path) -> None:
    found = {line: (by_us(line + "\n"), by_git(repository, line + "\n")) for line in LINES}
    assert {line: both for line, both in found.items() if both[0] != both[1]} == {}


@pytest.mark.parametrize("lines", [LINES[:9], LINES[5:9], ["*", "!*.csv", "!a/", "a/b"], ["*.csv", "!/x.csv", "x.*"]])
def test_lines_together_mean_what_they_mean_to_git(repository: Path, lines: list[str]) -> None:
    text = "\n".join(lines)
    assert by_us(text) == by_git(repository, text)
