"""Trees that want to reach outside: whatever they name, link to or hold, nothing changes but the folder of code."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent.code.bundle import BundleNeed, Bundles
from agent.code.cache import CodeCache
from agent.code.tree import Tree
from agent.errors import PreparationFailed
from agent.removal import FOLDER, remove_tree
from orchestrator.bundles.manifest import Manifest
from orchestrator.errors import BadBundle
from tests.support.bundles import packed

LEADS_OUT = [
    *("", ".", "..", "/", "//", "/etc/passwd", "../x", "../../x", "a/..", "a/../x", "a/../../x", "./x", "a/./x"),
    *("a//x", "a/", "/a", "x/../../outside/canary", "a\0b", "\0", "x" * 256, "d/" * 100 + "x", "p/" + "y" * 1023),
    *("é" * 128, "../outside/canary", "/proc/self/cwd/x", "....//../x", "a/.../../.."),
]
TARGETS = [
    *("/", "/etc/passwd", "/proc/self/root", "", "\0", "..", "../outside", "../outside/canary", "../../x", "./.."),
    *("a/../../outside", "a/b/../../..", "deep/../..", "../../../../../../etc", "inner/../../outside"),
]
Write = Callable[[Tree], None]


def file(path: str, data: bytes = b"x") -> Write:
    return lambda tree: tree.file(path, [data], executable=False)


def link(path: str, target: str) -> Write:
    return lambda tree: tree.link(path, target)


STEPS: list[list[Write]] = [
    *([file(path)] for path in LEADS_OUT),
    *([link(path, "a")] for path in LEADS_OUT),
    *([link("a", target)] for target in TARGETS),
    *([file("good"), link("good.link", "good"), link("a", target)] for target in TARGETS),
    *([file("deep/er/x"), link("deep/er/a", f"../../{target}")] for target in TARGETS if target and target[0] == "."),
    # Through a link: as a folder, as the file itself, over another link.
    [link("sub", "."), file("sub/x")],
    [link("canary", "x"), file("canary")],
    [file("x"), link("x", "y")],
    [link("up", ".."), file("up/outside/canary")],
    [file("a/x"), link("b", "a"), file("b/y")],
    [link("one", "two"), link("two", "../outside"), file("one/canary")],
    [file("d/e/x"), link("d/e/root", "../.."), link("out", "d/e/root/../outside")],
    [file("d/x"), link("d/up", ".."), link("d/out", "up/../outside")],
    [link("loop", "loop"), file("loop/x")],
    # Names that are there already, as something else.
    [file("a"), file("a")],
    [file("a"), file("a/b")],
    [file("a/b"), file("a")],
    [file("a/b/c"), file("a/b")],
    [file("a"), link("a", "b")],
    [link("a", "b"), link("a", "c")],
    # Too much of everything.
    [file("big", b"x" * 2049)],
    [file("a", b"x" * 1500), file("b", b"x" * 1500)],
    [file(f"{number}") for number in range(21)],
    [link(f"{number}", "x") for number in range(21)],
]


def seen(folder: Path) -> list[tuple[Any, ...]]:
    """All there is in a folder: names, kinds, rights, contents."""
    found = [(folder, stat.S_IMODE(folder.stat().st_mode))]
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        found.append((path, mode, path.read_bytes() if stat.S_ISREG(mode) else path.is_symlink()))  # type: ignore[arg-type]
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What nothing may touch."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "canary").write_text("sings")
    return folder


def test_a_hundred_hostile_trees_are_refused_and_change_nothing_outside(tmp_path: Path, outside: Path) -> None:
    before, cache = seen(outside), CodeCache(tmp_path / "home", most_bytes=1 << 20, boot="b")
    assert len(STEPS) >= 100
    for number, steps in enumerate(STEPS):
        name = f"git-{number:040x}"

        def write(folder: Path, steps: Iterable[Write] = steps) -> int:
            with Tree(folder, most_files=20, most_bytes=2048) as tree:
                for step in steps:
                    step(tree)
                tree.check_links()
                return tree.seal()

        with pytest.raises((PreparationFailed, OSError)) as refused:
            cache.make(name, write)
        assert not isinstance(refused.value, PreparationFailed) or refused.value.final, number
        assert cache.place(name) is None and not list(cache.path.glob(".new-*")), number
    assert seen(outside) == before and {path.name for path in tmp_path.iterdir()} == {"home", "outside"}


def test_links_that_stay_inside_are_kept(tmp_path: Path) -> None:
    with Tree(tmp_path, most_files=20, most_bytes=2048) as tree:
        tree.file("a/b/x", [b"1", b"2"], executable=True)
        tree.link("a/link", "b/x")
        tree.link("a/b/up", "../..")
        tree.link("nowhere", "not/there")
        tree.check_links()
        tree.seal()
    assert (tmp_path / "a" / "link").read_bytes() == b"12" and os.access(tmp_path / "a" / "b" / "x", os.X_OK)
    (tmp_path / "a" / "b").chmod(0o700)


# ------------------------------------------------------------------- bundles
class Shelf:
    """A shelf that says of a bundle what it is told to."""

    def __init__(self, manifest: Manifest | None, pieces: Iterable[tuple[str, bytes]]) -> None:
        self.manifest = manifest
        self.pieces = pieces

    def get(self, digest: str) -> Manifest | None:
        return self.manifest

    def chunks(self, digests: Iterable[str]) -> Iterable[tuple[str, bytes]]:
        return self.pieces


def test_a_bundle_that_is_not_what_its_digest_says_is_not_unpacked(tmp_path: Path) -> None:
    manifest, pieces = packed({"flow.py": "good", "other.py": "fine"})
    other, _ = packed({"flow.py": "evil"})
    need, cache = BundleNeed(manifest.digest), CodeCache(tmp_path, most_bytes=1 << 20, boot="b")
    for shelf in (
        Shelf(other, pieces.items()),
        Shelf(None, ()),
        Shelf(manifest, ()),
        Shelf(manifest, [(digest, b"evil") for digest in pieces]),
        Shelf(manifest, list(pieces.items())[:1]),
        Shelf(manifest, [(digest, data + b"\n") for digest, data in pieces.items()]),
    ):
        with pytest.raises(PreparationFailed) as refused:
            Bundles(cache, lambda shelf=shelf: shelf).prepare(need, print)  # type: ignore[misc]
        assert refused.value.final and cache.place(need.key) is None
    made = Bundles(cache, lambda: Shelf(manifest, pieces.items())).prepare(need, print)
    assert (made / "flow.py").read_text() == "good" and list((made / "__pycache__").glob("other*.pyc"))


def test_what_the_store_refuses_is_a_final_failure(tmp_path: Path) -> None:
    class Broken(Shelf):
        def get(self, digest: str) -> Manifest | None:
            raise BadBundle("a bomb")

    with pytest.raises(PreparationFailed, match="its code can not be used: a bomb; deploy it again"):
        Bundles(CodeCache(tmp_path, most_bytes=1, boot="b"), lambda: Broken(None, ())).prepare(
            BundleNeed("0" * 64), print
        )


# ------------------------------------------------------------------- races
def swapping(folder: Path, target: Path, over: threading.Event) -> threading.Thread:
    """A thread that makes a folder a link to another place, and a folder again, without a pause."""

    def swap() -> None:
        aside = folder.with_name("aside")
        while not over.is_set():
            try:
                folder.rename(aside)
                folder.symlink_to(target)
                folder.unlink()
                aside.rename(folder)
            except OSError:
                continue

    thread = threading.Thread(target=swap)
    thread.start()
    return thread


@pytest.mark.parametrize("what", ["writing", "removing"])
def test_a_folder_that_becomes_a_link_at_any_moment_leads_nowhere(tmp_path: Path, outside: Path, what: str) -> None:
    root, before, over = tmp_path / "root", seen(outside), threading.Event()
    (root / "sub" / "er").mkdir(parents=True)
    thread = swapping(root / "sub", outside, over)
    parent = os.open(tmp_path, FOLDER)
    try:
        for number in range(300):
            if what == "removing":
                (fresh := tmp_path / f"fresh{number}" / "er").mkdir(parents=True)
                root.mkdir(exist_ok=True)
                with suppress(OSError):
                    fresh.parent.rename(root / "sub")
                remove_tree("root", parent)
                continue
            with Tree(root, most_files=20, most_bytes=2048) as tree:
                tree._folders.add("sub")
                try:
                    tree.file(f"sub/{number}", [b"x"], executable=False)
                except (PreparationFailed, OSError):
                    continue
    finally:
        over.set()
        thread.join()
        remove_tree("root", parent)
        os.close(parent)
    assert seen(outside) == before and not root.exists()
