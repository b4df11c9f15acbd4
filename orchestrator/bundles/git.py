"""The one seam to git where code is packed: what it knows of a folder. Nothing here changes a repository."""

import os
import subprocess
from pathlib import Path

GIT_SECONDS = 60.0
LONGEST_WORDS = 400
ONE_COMMIT = ("fetch", "-q", "--no-tags", "--no-recurse-submodules")
QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "https:ssh:file",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "LC_ALL": "C",
}
"""git asks nobody anything, and fetches over nothing else."""


class GitFailed(Exception):
    """git is not here, takes too long, or refuses; the text is what it said."""


def work_tree(folder: str) -> str | None:
    """The root of the work tree that a folder is in, by its `.git`; None when there is none."""
    here = Path(folder)
    return next((str(one) for one in (here, *here.parents) if os.path.lexists(one / ".git")), None)


def names_below(folder: str) -> list[str]:
    """The paths below a folder that git tracks or would; a repository inside is the path of its folder."""
    words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return list(dict.fromkeys(name for name in os.fsdecode(asked(folder, *words)).split("\0") if name))


def blob_at(folder: str, commit: str, path: str) -> str | None:
    """The name of a file's content at a commit, path relative to the folder; None when the commit is not here."""
    try:
        asked(folder, "cat-file", "-e", f"{commit}^{{commit}}")
    except GitFailed:
        return None
    try:
        return asked(folder, "rev-parse", "--verify", f"{commit}:./{path}").decode().strip()
    except GitFailed:
        return ""


def blob_of(folder: str, path: str) -> str:
    """The name that git gives to a file as it is now."""
    return asked(folder, "hash-object", "--", path).decode().strip()


def head_of(folder: str) -> str:
    """The commit that a clone is at."""
    return asked(folder, "rev-parse", "HEAD").decode().strip()


def is_clean(folder: str) -> bool:
    """Whether a folder of a clone is as in its commit, with nothing new beside it."""
    return not asked(folder, "status", "--porcelain", "--", ".")


def check_out(url: str, commit: str, folder: str) -> None:
    """The files of one commit in an empty folder: no hooks, no repositories inside, links as files that name them."""
    asked(folder, "init", "-q")
    try:
        asked(folder, *ONE_COMMIT, "--depth", "1", "--", url, commit)
    except GitFailed:  # a server may give whole branches alone
        asked(folder, *ONE_COMMIT, "--", url, "+refs/heads/*:refs/remotes/origin/*")
    asked(folder, "-c", "core.symlinks=false", "-c", "core.hooksPath=/dev/null", "checkout", "-q", "--detach", commit)


def asked(folder: str, *words: str) -> bytes:
    """What git answers; raises GitFailed. Variables that point it elsewhere (those of a hook) are left out."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *words],
            cwd=folder,
            env=own | QUIET,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitFailed(f"git can not be used: {error}"[:LONGEST_WORDS]) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GitFailed((said or [f"git ended with exit code {done.returncode}"])[0][:LONGEST_WORDS])
    return done.stdout
