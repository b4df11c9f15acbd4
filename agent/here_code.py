"""Brings the code of a deployment to this terminal: where it was deployed from while it is the same, else a copy.

A run here has a working folder as one on an agent has: of its own, with links to what stands beside the flow.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.bundles import git
from orchestrator.bundles.packing import pack
from orchestrator.bundles.unpacking import unpack
from orchestrator.errors import BadBundle
from orchestrator.store.bundles import Bundles

Spec = Mapping[str, Any]


@contextmanager
def code_here(bundles: Bundles, spec: Spec, *, home: str | None, say: Callable[[str], None]) -> Iterator[Spec]:
    """The spec with places of this machine; copies are removed with the end of the block. Raises BadBundle."""
    source = spec.get("source") or {}
    if source.get("kind", "path") == "path":
        yield spec
        return
    with tempfile.TemporaryDirectory(prefix="headgate-here-", ignore_cleanup_errors=True) as made:
        folder = Path(str(spec["folder"]))
        changed = difference(spec, home)
        if changed:
            say(f"Running a copy of its code: {changed}")
            folder = copied(bundles, spec, Path(made))
        work = working_folder(spec.get("working_dir"), folder, Path(made))
        yield {**spec, "folder": str(folder), "path": str(folder / spec["entry"]), "working_dir": str(work)}


def difference(spec: Spec, home: str | None) -> str | None:
    """How what stands where it was deployed from is not the code of the deployment; None when it is."""
    source, folder = spec["source"], str(spec["folder"])
    if not Path(folder, spec["entry"]).is_file():
        return f"{folder} is not on this machine"
    if source["kind"] == "git":
        return None if is_at(folder, source["commit"]) else f"{folder} is not at commit {source['commit'][:10]}"
    try:
        same = pack(folder, home).manifest.digest == source["digest"]
    except BadBundle as bad:
        return f"{folder} can not be packed any more: {bad.message}"
    return None if same else f"{folder} has changed since it was deployed"


def is_at(folder: str, commit: str) -> bool:
    """Whether a folder of a clone is as it is in a commit."""
    try:
        return git.head_of(folder) == commit and git.is_clean(folder)
    except git.GitFailed:
        return False


def copied(bundles: Bundles, spec: Spec, into: Path) -> Path:
    """A copy of the code; gives the folder of the flow in it."""
    source, code = spec["source"], into / "code"
    code.mkdir(0o700)
    if source["kind"] == "git":
        try:
            git.check_out(source["url"], source["commit"], str(code))
        except git.GitFailed as failed:
            hint = "see that git can fetch it here: `git ls-remote URL`"
            raise BadBundle(f"commit {source['commit'][:10]} of {source['url']}: {failed}", hint=hint) from None
        return code / str(source["subfolder"])
    manifest = bundles.get(source["digest"])
    if manifest is None:
        raise BadBundle("its code is not in Redis any more", hint="create the deployment from its file again")
    unpack(manifest, dict(bundles.chunks(manifest.chunk_sizes)), code)
    return code


def working_folder(given: str | None, folder: Path, into: Path) -> Path:
    """Where the run starts: as the deployment says, or in a folder of its own beside links to what is in the code's."""
    if given is not None:
        return Path(folder, given)
    work = into / "work"
    work.mkdir(0o700)
    for entry in folder.iterdir():
        (work / entry.name).symlink_to(entry)
    return work
