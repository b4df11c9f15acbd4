"""The one seam to git where code is packed: what it knows of a folder. Nothing here changes a repository."""

import os
import subprocess
from pathlib import Path

GIT_SECONDS = 60.0
LONGEST_WORDS = 400


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


def asked(folder: str, *words: str) -> bytes:
    """What git answers; raises GitFailed. Variables that point it elsewhere (those of a hook) are left out."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *words],
            cwd=folder,
            env=own | quiet,
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
