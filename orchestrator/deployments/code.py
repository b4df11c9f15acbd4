"""How a flow's code comes to the machines that run it, as a deployment records it.

`{"kind": "path"}`: it is there already, at the same path. `{"kind": "bundle"}`: the client packs it and adds digest,
files and bytes. `{"kind": "git", "url", "commit", "subfolder"}`: each machine fetches that commit.
"""

import os
import re
from typing import Any

from orchestrator.bundles import git
from orchestrator.deployments import DeploymentSpec, GitRepository
from orchestrator.errors import InvalidDeployment, expected, shown

PATH, BUNDLE, GIT = "path", "bundle", "git"
DEFAULT = BUNDLE
VERSION_LETTERS = 16
COMMIT = re.compile(r"[0-9a-f]{40}")
LONGEST_URL = 2000
URL = re.compile(
    r"(?:https|ssh|file)://[^\s\x00-\x1f]+|[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:[^\s\x00-\x1f-][^\s\x00-\x1f]*"
)
URLS = "https://…, ssh://…, file://… or user@host:path"
PASSWORD = re.compile(r"\w+://[^/@]*:[^/@]*@|https://[^/@]+@")


def check_source(source: object) -> None:
    """Raise InvalidDeployment for what is no source."""
    if isinstance(source, GitRepository):
        check_repository(source)
    elif source is not None and source not in (PATH, BUNDLE):
        allowed = '"bundle", "path" or GitRepository(url, commit)'
        raise InvalidDeployment(expected("source", allowed, source), field="source", hint="leave it out for a bundle")


def check_repository(source: GitRepository) -> None:
    """An address without a password, and a whole commit: a branch would be other code tomorrow."""
    url, commit = source.url, source.commit
    if isinstance(url, str) and PASSWORD.match(url):  # first, so that no other refusal repeats it
        hint = "it would be kept readable: give the agents' machines a key, or a credential helper of git"
        raise InvalidDeployment("the url of source holds a user or password", field="source.url", hint=hint)
    if not isinstance(url, str) or len(url) > LONGEST_URL or not URL.fullmatch(url):
        raise InvalidDeployment(expected("the url of source", URLS, url), field="source.url")
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        hint = "`git rev-parse HEAD` prints it"
        raise InvalidDeployment(
            expected("the commit of source", "40 of 0-9 a-f", commit), field="source.commit", hint=hint
        )


def kind_of(source: object) -> str:
    """Which of the three it is."""
    if isinstance(source, GitRepository):
        return GIT
    return DEFAULT if source is None else str(source)


def recorded_source(source: object, folder: str) -> dict[str, Any]:
    """The source of a deployment whose code is in this folder."""
    if not isinstance(source, GitRepository):
        return {"kind": kind_of(source)}
    root = git.work_tree(folder)
    if root is None:
        hint = "create it from a clone of the repository: where the folder is in there has to be known"
        raise InvalidDeployment(f"{folder} is in no git work tree", field="source", hint=hint)
    inside = os.path.relpath(folder, root)
    subfolder = "" if inside == "." else inside
    return {"kind": GIT, "url": source.url, "commit": source.commit, "subfolder": subfolder}


def code_version(source: object, of_file: str) -> str:
    """Which code it is: the commit, or the flow's file until a bundle is packed."""
    return source.commit[:VERSION_LETTERS] if isinstance(source, GitRepository) else of_file


def working_dir(spec: DeploymentSpec, path: str, folder: str) -> str | None:
    """Where runs start. With code at its path: its folder, or as the runner says, relative to the deployment file.

    With code that travels: None, a folder of the run's own; an absolute path; or a folder of the code.
    """
    given = spec.flow_runner.working_dir if spec.flow_runner is not None else None
    whole = None if given is None else os.path.normpath(os.path.join(spec.origin.folder, given))
    if kind_of(spec.source) == PATH:
        return whole or os.path.dirname(path)
    if given is None or os.path.isabs(given):
        return given
    inside = os.path.relpath(str(whole), folder)
    if inside == ".." or inside.startswith("../"):
        hint = f"name a folder below {folder}, an absolute path, or leave it out for a folder of the run's own"
        message = f"flow_runner: working_dir {shown(given)} leads out of the code that travels"
        raise InvalidDeployment(message, field="flow_runner.working_dir", hint=hint)
    return inside


def notes(spec: DeploymentSpec, path: str, folder: str) -> list[str]:
    """What may surprise about code from a repository: it was looked at here, and runs get it from there."""
    if not isinstance(spec.source, GitRepository):
        return []
    entry, commit = os.path.relpath(path, folder), spec.source.commit
    try:
        there = git.blob_at(folder, commit, entry)
        same = there is None or there == git.blob_of(folder, entry)
    except git.GitFailed as failed:
        return [f"{spec.name}: whether {entry} is that of commit {commit[:10]} is not known: {failed}"]
    if there is None:
        return [
            f"{spec.name}: commit {commit[:10]} is not in this clone: its {entry} was not looked at, but that of here"
        ]
    if there == "":
        return [f"{spec.name}: commit {commit[:10]} has no {entry}: its runs will fail"]
    return [] if same else [f"{spec.name}: {entry} here is not that of commit {commit[:10]}, which runs get"]
