"""Code of a git repository at one commit: fetched by `git`, and written out by ourselves, file by file.

Nothing of the repository is run and nothing of it decides where bytes go: no hooks, no filters, no submodules, no
attributes, no working tree of git's own. Files and links go through the same hands as those of a bundle.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from agent.code.bytecode import compile_tree
from agent.code.cache import CodeCache
from agent.code.tree import Tree
from agent.errors import PreparationFailed
from agent.needs import Progress
from orchestrator.deployments.code import COMMIT, URL

PROTOCOLS = "https:ssh:file"
LONGEST_SECONDS = 300.0
MOST_FILES = 50_000
MOST_BYTES = 1 << 30
PIECE = 1 << 20
WORDS = 300
LONGEST_LINK = 4096
FILE, EXECUTABLE, LINK = b"100644", b"100755", b"120000"
CONFIG = "[include]\n\tpath = ~/.gitconfig\n\tpath = ~/.config/git/config\n[safe]\n\tdirectory = *\n"
"""Credentials and proxies of the user; and repositories on this machine may be another user's: nothing of them runs."""

PASSING = re.compile(
    r"could not resolve|timed? ?out|connection|temporar|early eof|unable to access|hung up|reset by peer|5\d\d",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class GitNeed:
    """A repository at one commit."""

    url: str
    commit: str

    kind = "git"
    part = "code"

    @property
    def key(self) -> str:
        """The commit's name in the cache: it stands for its content, wherever it came from."""
        return f"git-{self.commit}"

    def to_dict(self) -> dict[str, Any]:
        """Where it is, and which commit."""
        return {"url": self.url, "commit": self.commit}


class GitCheckouts:
    """The provider of repositories at a commit."""

    def __init__(self, cache: CodeCache) -> None:
        self._cache = cache

    def need(self, fields: Mapping[str, Any]) -> GitNeed:
        """The need of these fields."""
        return GitNeed(str(fields["url"]), str(fields["commit"]))

    def place(self, need: GitNeed) -> Path | None:
        """The tree of the commit, pinned."""
        return self._cache.place(need.key)

    def unpin(self, need: GitNeed) -> None:
        """Let it be removed."""
        self._cache.unpin(need.key)

    def prepare(self, need: GitNeed, progress: Progress) -> Path:
        """Fetch the commit and write its files out."""
        if not COMMIT.fullmatch(need.commit) or not URL.fullmatch(need.url):
            what = "an address of https, ssh or a file, and a commit of 40 digits"
            raise PreparationFailed(f"expected {what}, got {need.url[:200]!r} {need.commit[:60]!r}", final=True)
        final = self._cache.path / need.key

        def write(folder: Path) -> int:
            repository = Repository(self._cache.scratch(need.key), need, progress)
            repository.fetch()
            progress("writing its files")
            with Tree(folder, most_files=MOST_FILES, most_bytes=MOST_BYTES) as tree:
                repository.write(tree)
                tree.check_links()
                compile_tree(folder, final)
                return tree.seal()

        return self._cache.make(need.key, write)


class Repository:
    """A bare repository that lives for one fetch."""

    def __init__(self, folder: Path, need: GitNeed, progress: Progress) -> None:
        self._path = folder / "repository"
        self._config = folder / "config"
        self._need = need
        self._shown_url = without_password(need.url)
        self._progress = progress

    def fetch(self) -> None:
        """Fetch the commit alone, or everything from a server that gives no single commits."""
        url, commit = self._need.url, self._need.commit
        self._config.write_text(CONFIG)
        self._progress(f"fetching {commit[:12]} from {self._shown_url}")
        self._run("init", "--quiet", "--bare", "--", str(self._path))
        if self._try("fetch", "--quiet", "--no-tags", "--depth=1", "--", url, commit).returncode:
            self._progress(f"fetching all of {self._shown_url}")
            everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            self._run("fetch", "--quiet", "--no-tags", "--", url, *everything)
        if self._try("cat-file", "-e", f"{commit}^{{commit}}").returncode:
            said = f"there is no commit {commit} in {self._shown_url}; push it, or deploy again"
            raise PreparationFailed(said, final=True)

    def write(self, tree: Tree) -> None:
        """Write the files and links of the commit; what is neither, a submodule, is left out."""
        with self._start("ls-tree", "-r", "-z", "--full-tree", self._need.commit) as lister:
            try:
                self._write_listed(lister.stdout, tree)
            finally:
                # A list without end is not read to its end.
                lister.kill()

    def _write_listed(self, listed: IO[bytes] | None, tree: Tree) -> None:
        with self._start("cat-file", "--batch") as reader:
            assert listed is not None and reader.stdin is not None and reader.stdout is not None
            for mode, blob, path in entries_of(listed):
                if mode not in (FILE, EXECUTABLE, LINK):
                    continue
                reader.stdin.write(blob + b"\n")
                reader.stdin.flush()
                pieces = blob_of(reader.stdout)
                if mode == LINK:
                    tree.link(path, os.fsdecode(b"".join(pieces)[:LONGEST_LINK]))
                else:
                    tree.file(path, pieces, executable=mode == EXECUTABLE)

    def _run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        done = self._try(*words)
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").replace(self._need.url, self._shown_url).strip()[-WORDS:]
            raise PreparationFailed(f"git {words[0]} failed: {said or done.returncode}", final=not PASSING.search(said))
        return done

    def _try(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                self._command(words),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=LONGEST_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise PreparationFailed("there is no git on this machine's PATH; install it", final=False) from None
        except subprocess.TimeoutExpired:
            raise PreparationFailed(f"git {words[0]} took longer than {LONGEST_SECONDS:g} s", final=False) from None

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        command, pipe = self._command(words), subprocess.PIPE
        return subprocess.Popen(command, env=self._environment(), stdin=pipe, stdout=pipe)

    def _command(self, words: tuple[str, ...]) -> list[str]:
        place = [] if words[0] == "init" else [f"--git-dir={self._path}"]
        return ["git", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", *place, *words]

    def _environment(self) -> dict[str, str]:
        ours = {
            "GIT_ALLOW_PROTOCOL": PROTOCOLS,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_GLOBAL": str(self._config),
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
        }
        ssh = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}
        return {**ssh, **{name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}, **ours}


def entries_of(listed: IO[bytes]) -> Iterator[tuple[bytes, bytes, str]]:
    """Mode, object and path of each entry that `ls-tree -r -z` writes, as they come; raises PreparationFailed."""
    rest, count = b"", 0
    while data := listed.read(PIECE):
        *lines, rest = (rest + data).split(b"\0")
        count += len(lines)
        if count > MOST_FILES or len(rest) > PIECE:
            raise PreparationFailed(f"it has more than {MOST_FILES} files", final=True)
        for line in lines:
            facts, _, name = line.partition(b"\t")
            mode, _, blob = facts.split(b" ")
            yield mode, blob, os.fsdecode(name)


def blob_of(stream: IO[bytes]) -> Iterator[bytes]:
    """The bytes of the next object that `cat-file --batch` writes."""
    head = stream.readline().split()
    if len(head) != 3 or head[1] != b"blob":
        raise PreparationFailed("git gave something else than the file that was asked for", final=False)
    left = int(head[2])
    while left:
        piece = stream.read(min(left, PIECE))
        if not piece:
            raise PreparationFailed("git ended in the middle of a file", final=False)
        left -= len(piece)
        yield piece
    stream.read(1)


def without_password(url: str) -> str:
    """An address as people may see it."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)[:200]
