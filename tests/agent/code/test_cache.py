"""The folder of code: whole trees or none, pinned ones stay, leftovers go, hostile trees reach nothing outside."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.code.cache import GONE, NEW, CodeCache
from agent.code.tree import Tree
from agent.errors import PreparationFailed

A, B, C = (f"bundle-{letter * 64}" for letter in "abc")


def a_cache(home: Path, *, most: int = 1 << 20, boot: str = "this-boot") -> CodeCache:
    return CodeCache(home, most_bytes=most, boot=boot)


def of(size: int) -> Callable[[Path], int]:
    """Writes a tree of so many bytes."""

    def write(folder: Path) -> int:
        with Tree(folder, most_files=10, most_bytes=1 << 20) as tree:
            tree.file("pack/flow.py", [b"x" * size], executable=False)
            return tree.seal()

    return write


def trees(cache: CodeCache) -> set[str]:
    return {entry.name for entry in cache.path.iterdir() if entry.is_dir()}


def test_a_tree_is_made_once_and_read_only(tmp_path: Path) -> None:
    cache = a_cache(tmp_path)
    assert cache.place(A) is None and not (tmp_path / "code").exists(), "looking writes nothing"
    made = cache.make(A, of(10))
    assert cache.place(A) == made and cache.make(A, lambda _: pytest.fail("made again")) == made
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (made, made / "pack", made / "pack" / "flow.py")]
    assert modes == [0o500, 0o500, 0o400] and stat.S_IMODE(cache.path.stat().st_mode) == 0o700


def test_a_making_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = a_cache(tmp_path)

    def write(folder: Path) -> int:
        of(10)(folder)
        raise PreparationFailed("no", final=True)

    with pytest.raises(PreparationFailed):
        cache.make(A, write)
    assert trees(cache) == set() and cache.place(A) is None


def age(cache: CodeCache, name: str, at: int) -> None:
    """As if the tree had been used last at this time."""
    os.utime(cache.path / f"{name}.lock", (at, at))


def test_the_trees_used_longest_ago_go_first_and_pinned_ones_never(tmp_path: Path) -> None:
    mine, theirs = a_cache(tmp_path, most=250), a_cache(tmp_path, most=250)
    for at, name in enumerate((A, B)):
        mine.make(name, of(100))
        age(mine, name, at)
    assert theirs.place(A)
    mine.make(C, of(100))
    assert trees(mine) == {A, C} and theirs.place(A), "another agent of this home runs it"
    theirs.unpin(A)
    age(mine, A, 1)
    mine.make(B, of(100))
    assert trees(mine) == {B, C} and theirs.place(A) is None
    assert {path.name for path in mine.path.glob("*.lock")} == {f"{B}.lock", f"{C}.lock"}


def test_what_was_just_made_stays_even_when_it_alone_is_too_much(tmp_path: Path) -> None:
    cache = a_cache(tmp_path, most=50)
    cache.make(A, of(100))
    cache.make(B, of(100))
    assert cache.place(A) and cache.place(B)


def test_what_a_killed_process_left_in_the_making_goes(tmp_path: Path) -> None:
    cache = a_cache(tmp_path)
    cache.make(A, of(1))
    for left in (f"{NEW}{B}", f"{NEW}{B}{GONE}", f"{NEW}{C}"):
        (cache.path / left / "deep" / "er").mkdir(parents=True)
    cache.make(C, of(1))
    assert trees(cache) == {A, C} and not (cache.path / f"{B}.lock").exists()


def test_after_a_boot_everything_is_made_anew(tmp_path: Path) -> None:
    before = a_cache(tmp_path, boot="before")
    before.make(A, of(1))
    held = a_cache(tmp_path, boot="elsewhere")
    held.make(A, of(1))
    assert held.place(A)
    now = a_cache(tmp_path)
    assert now.place(A) is None
    now.make(A, of(1))
    assert {path.name for path in (tmp_path / "code").iterdir()} == {"this-boot", "elsewhere"}, "a machine that lives"


def test_a_tree_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    cache = a_cache(tmp_path)
    made = cache.make(A, of(1))
    assert cache.place(A)
    made.rename(tmp_path / "elsewhere")
    assert cache.place(A) is None and cache.make(A, of(1)) == made and cache.place(A)


def test_two_processes_make_the_same_tree_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from agent.code.cache import CodeCache\n"
        "cache = CodeCache(Path(sys.argv[1]), most_bytes=1 << 20, boot='b')\n"
        "def write(folder): open(sys.argv[1] + '/made', 'a').write('x'); (folder / 'f').write_text('y'); return 1\n"
        f"cache.make({A!r}, write)"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [one.wait(20) for one in both] == [0, 0] and (tmp_path / "made").read_text() == "x"


@pytest.mark.parametrize("name", ["", "..", "bundle-../../etc", "bundle-" + "g" * 64, "/etc", f"{A}/..", f"{A}\n"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PreparationFailed, match="expected the name of some code"):
        a_cache(tmp_path).place(name)
