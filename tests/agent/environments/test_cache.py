"""Environments on the disk: whole or not there, built once, kept while they are used, no more than may be."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.environments.cache import EnvironmentCache, is_whole
from agent.errors import PreparationFailed
from tests.support.waiting import wait_until

A, B, C = ("a" * 32, "b" * 32, "c" * 32)
KIB = 1024


def cache_of(home: Path, *, kib: int = 1 << 20, boot: str = "boot-1") -> EnvironmentCache:
    return EnvironmentCache(home / "environments", most_bytes=kib * KIB, boot=boot)


def builder(built: list[Path] | None = None, *, kib: int = 1, then: Callable[[], object] = lambda: None):  # type: ignore[no-untyped-def]
    def build(path: Path) -> None:
        (path / "bin").mkdir()
        (path / "bin" / "python").write_bytes(b"x" * kib * KIB)
        if built is not None:
            built.append(path)
        then()

    return build


def make(cache: EnvironmentCache, name: str, build: Callable[[Path], None] | None = None, seconds: float = 5.0) -> Path:
    return cache.make(name, build or builder(), seconds=seconds, wait=lambda: None)


def names(home: Path) -> list[str]:
    return sorted(entry.name for entry in (home / "environments").iterdir() if entry.is_dir())


def test_an_environment_is_built_once_and_found_by_others(tmp_path: Path) -> None:
    built: list[Path] = []
    assert cache_of(tmp_path).place(A) is None
    path = make(cache_of(tmp_path), A, builder(built))
    assert make(cache_of(tmp_path), A, builder(built)) == path == cache_of(tmp_path).place(A)
    assert built == [path] and (tmp_path / "environments").stat().st_mode & 0o777 == 0o700


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise PreparationFailed("no such package", final=True)

    with pytest.raises(PreparationFailed, match="no such package"):
        make(cache_of(tmp_path), A, builder(then=fail))
    assert os.listdir(tmp_path / "environments") == []


def test_a_killed_build_is_taken_for_nothing_and_is_cleared_away(tmp_path: Path) -> None:
    code = "import sys; from tests.agent.environments.test_cache import *; "
    code += "make(cache_of(Path(sys.argv[1])), A, builder(then=lambda: (print('half', flush=True), input())))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == b"half\n"
    assert cache_of(tmp_path).place(A) is None and cache_of(tmp_path).tidy() == []  # its builder lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close(), process.stdout.close()
    assert cache_of(tmp_path).place(A) is None and names(tmp_path) == [A]
    assert cache_of(tmp_path).tidy() == [A] and os.listdir(tmp_path / "environments") == []


def test_the_next_build_begins_anew_after_a_killed_one(tmp_path: Path) -> None:
    (tmp_path / "environments" / A / "bin").mkdir(parents=True)
    (tmp_path / "environments" / A / "left.txt").touch()
    path = make(cache_of(tmp_path), A)
    assert sorted(os.listdir(path)) == ["bin"]


def test_two_that_want_it_at_once_build_it_once(tmp_path: Path) -> None:
    built: list[Path] = []
    go, found, waited = threading.Event(), list[Path](), threading.Event()
    first = threading.Thread(
        target=lambda: found.append(make(cache_of(tmp_path), A, builder(built, then=lambda: go.wait(5))))
    )
    first.start()
    wait_until(lambda: built)
    second = threading.Thread(
        target=lambda: found.append(cache_of(tmp_path).make(A, builder(built), seconds=5.0, wait=lambda: waited.set()))
    )
    second.start()
    assert waited.wait(5)
    go.set()
    first.join(5), second.join(5)
    assert len(built) == 1 and len(found) == 2


def test_waiting_for_another_builder_ends_with_a_sentence(tmp_path: Path) -> None:
    go, built = threading.Event(), list[Path]()
    first = threading.Thread(target=lambda: make(cache_of(tmp_path), A, builder(built, then=lambda: go.wait(5))))
    first.start()
    wait_until(lambda: built)
    with pytest.raises(PreparationFailed, match=r"another process holds .* for longer than 0.1 s") as caught:
        make(cache_of(tmp_path), A, seconds=0.1)
    assert not caught.value.final
    go.set()
    first.join(5)


def test_old_ones_go_when_there_is_more_than_may_be_but_none_that_is_used(tmp_path: Path) -> None:
    user = cache_of(tmp_path)
    for age, name in ((300, A), (200, B)):
        make(user, name, builder(kib=64))
        os.utime(tmp_path / "environments" / f"{name}.lock", (0, 1e9 - age))
    assert user.place(A) is not None
    make(cache_of(tmp_path, kib=100), C, builder(kib=64))
    assert names(tmp_path) == [A, C]
    user.unpin(A)
    os.utime(tmp_path / "environments" / f"{C}.lock", (0, 1e9))
    assert cache_of(tmp_path, kib=100).tidy() == [C] and user.place(A) is not None


def test_what_was_built_before_the_last_boot_is_looked_through_once(tmp_path: Path) -> None:
    built: list[Path] = []
    path = make(cache_of(tmp_path), A, builder(built))
    after = cache_of(tmp_path, boot="boot-2")
    assert after.place(A) is None
    assert make(after, A, builder(built)) == path == after.place(A) and len(built) == 1
    after.unpin(A)
    write_record(path, size=3)
    assert make(cache_of(tmp_path, boot="boot-3"), A, builder(built)) == path and len(built) == 1
    (path / "lib/python3.11/site-packages/alpha.py").write_text("")
    assert make(cache_of(tmp_path, boot="boot-4"), A, builder(built)) == path and len(built) == 2


def test_an_environment_whose_interpreter_is_gone_is_none(tmp_path: Path) -> None:
    built: list[Path] = []
    user = cache_of(tmp_path)
    path = make(user, A, builder(built))
    assert user.place(A) == path
    (path / "bin" / "python").unlink()
    assert user.place(A) is None and not is_whole(path)
    assert make(cache_of(tmp_path), A, builder(built)) == path and len(built) == 2


def write_record(path: Path, *, size: int) -> None:
    info = path / "lib/python3.11/site-packages/alpha-1.0.dist-info"
    info.mkdir(parents=True)
    (info.parent / "alpha.py").write_text("x" * size)
    (info / "RECORD").write_text(f"alpha.py,sha256=x,{size}\nalpha-1.0.dist-info/RECORD,,\n")
