"""A repository at a commit: what is written out, what never runs, and what failures say. With real repositories."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.code.cache import CodeCache
from agent.code.git import GitCheckouts, GitNeed, without_password
from agent.errors import PreparationFailed

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")


class Origin:
    """A repository that code comes from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        folder.mkdir()
        self.git("init", "-q")

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
        done = subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self) -> str:
        """Commit all there is; gives the commit."""
        self.git("add", ".")
        self.git("commit", "-q", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def prepare(self, commit: str, url: str = "") -> Path:
        cache = CodeCache(self.folder.parent / "home", most_bytes=1 << 20, boot="b")
        need = GitNeed(url or f"file://{self.folder}", commit)
        made = GitCheckouts(cache).prepare(need, self.said.append)
        assert GitCheckouts(cache).place(need) == made and not list(cache.path.glob(".new-*"))
        return made


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "origin")


def test_the_files_of_a_commit_are_written_as_they_are_committed(origin: Origin) -> None:
    (origin.folder / "pack").mkdir()
    (origin.folder / "pack" / "flow.py").write_bytes(b"X = 1\r\n$Id$\n")
    (origin.folder / "run.sh").write_text("exit")
    (origin.folder / "run.sh").chmod(0o755)
    (origin.folder / "link").symlink_to("pack/flow.py")
    # Nothing that git does to a working tree or an archive is done to these.
    (origin.folder / ".gitattributes").write_text("* text ident\npack/flow.py export-ignore filter=evil\n")
    origin.git("config", "filter.evil.smudge", f"touch {origin.folder}/ran")
    first = origin.commit()
    (origin.folder / "run.sh").unlink()
    second = origin.commit()
    made = origin.prepare(first)
    committed = origin.git("cat-file", "blob", f"{first}:pack/flow.py")
    assert (made / "pack" / "flow.py").read_text().strip() == committed and (made / "link").is_symlink()
    assert os.access(made / "run.sh", os.X_OK) and not (made / ".git").exists()
    assert not (origin.prepare(second) / "run.sh").exists() and not (origin.folder / "ran").exists()
    assert origin.said[0] == f"fetching {first[:12]} from file://{origin.folder}"


def test_a_submodule_is_left_out_and_hooks_do_not_run(origin: Origin, tmp_path: Path) -> None:
    other = Origin(tmp_path / "other")
    (other.folder / "x").write_text("x")
    other.commit()
    origin.git("submodule", "--quiet", "add", f"file://{other.folder}", "inner")
    (origin.folder / "flow.py").write_text("")
    commit = origin.commit()
    for hook in ("post-checkout", "post-upload-pack", "reference-transaction", "post-index-change"):
        path = origin.folder / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        path.chmod(0o755)
    made = origin.prepare(commit)
    assert {path.name for path in made.iterdir()} == {"flow.py", ".gitmodules", "__pycache__"}
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "up/../../outside"])
def test_a_link_that_leads_out_of_the_repository_is_refused(origin: Origin, target: str) -> None:
    (origin.folder / "up").symlink_to(".")
    (origin.folder / "out").symlink_to(target)
    with pytest.raises(PreparationFailed, match="its file 'out' is refused") as refused:
        origin.prepare(origin.commit())
    assert refused.value.final


@pytest.mark.parametrize(
    "url",
    [
        *("ext::sh -c 'touch ran'", "--upload-pack=touch ran", "-oProxyCommand=touch", "http://h/x", "git://h/x", ""),
        *("ssh://h/x\ny", "https://h/ x", "fd::3", "../origin", "https://\x00"),
    ],
)
def test_an_address_of_another_kind_is_refused_before_git_sees_it(origin: Origin, url: str) -> None:
    with pytest.raises(PreparationFailed, match="expected an address of https, ssh or a file") as refused:
        GitCheckouts(CodeCache(origin.folder, most_bytes=1, boot="b")).prepare(GitNeed(url, "1" * 40), print)
    assert refused.value.final


def test_what_is_not_there_is_named(origin: Origin, tmp_path: Path) -> None:
    (origin.folder / "x").write_text("x")
    origin.commit()
    with pytest.raises(
        PreparationFailed, match=f"there is no commit {'1' * 40} in file://.*; push it, or deploy again"
    ):
        origin.prepare("1" * 40)
    with pytest.raises(PreparationFailed, match=r"git fetch failed: .*does not appear to be a git repository"):
        origin.prepare("1" * 40, f"file://{tmp_path}/none")
    with pytest.raises(PreparationFailed, match="a commit of 40 digits"):
        origin.prepare("main")


def test_a_password_in_an_address_is_not_shown() -> None:
    assert without_password("https://me:secret@host/x.git") == "https://host/x.git"
