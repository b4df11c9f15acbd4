"""Getting the code of deployments into Redis: each folder packed once, and only what is missing there sent."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.bundles import Manifest
from orchestrator.bundles.packing import Packed, pack
from orchestrator.client.deployment_checks import at_its_line
from orchestrator.client.deployment_values import SentCode
from orchestrator.deployments.code import VERSION_LETTERS
from orchestrator.errors import InvalidDeployment
from orchestrator.store.bundles import Bundles
from orchestrator.store.deployments import full_name
from orchestrator.store.specs import Spec

MOST_NOTES = 10

Check = Callable[[Spec, Packed | None], None]
"""Looks at a deployment before anything of its file is applied, and raises; its code when that was packed."""


@dataclass(frozen=True, kw_only=True)
class Coded:
    """A spec that names its code, and that code if it was packed just now."""

    spec: Spec
    packed: Packed | None = None


def with_code(specs: Iterable[Spec], home: str | None = None) -> list[Coded]:
    """Pack the code of the specs that want that, never what is in `home`; raises BadBundle and InvalidDeployment."""
    packages: dict[str, Packed] = {}
    coded = []
    for spec in specs:
        source = spec.get("source") or {}
        if source.get("kind") != "bundle" or source.get("digest"):
            coded.append(Coded(spec=spec))
            continue
        folder = str(spec["folder"])
        if folder not in packages:
            packages[folder] = pack(folder, home)
        coded.append(Coded(spec=completed(spec, packages[folder].manifest), packed=packages[folder]))
    return coded


def completed(spec: Spec, manifest: Manifest) -> dict[str, Any]:
    """The spec with the bundle that its code has become; refused when that has not what its runs need."""
    refuse_left_out(spec, manifest)
    source = {"kind": "bundle", "digest": manifest.digest, "files": len(manifest.files), "bytes": manifest.size}
    return {**spec, "source": source, "code_version": manifest.digest[:VERSION_LETTERS]}


def refuse_left_out(spec: Spec, manifest: Manifest) -> None:
    """The flow's file, and the folder that its runs start in, must not be left out of the code."""
    paths = [file.path for file in manifest.files]
    if spec["entry"] not in paths:
        message = f"the file of {full_name(spec)}, {spec['entry']}, is left out of its code"
        hint = f'git or .headgateignore ignores it in {spec["folder"]}: take it out there, or use source="path"'
        raise at_its_line(InvalidDeployment(message, field="source", hint=hint), spec)
    working_dir = spec.get("working_dir") or "."
    if working_dir.startswith("/") or working_dir == ".":
        return
    if not any(path.startswith(f"{working_dir}/") for path in paths):
        message = f"the working_dir of {full_name(spec)}, {working_dir}, has no file in its code"
        hint = "an empty or ignored folder does not travel; leave working_dir out for a folder of the run's own"
        raise at_its_line(InvalidDeployment(message, field="flow_runner.working_dir", hint=hint), spec)


def send(bundles: Bundles, coded: Sequence[Coded]) -> dict[str, SentCode]:
    """Bring every bundle to Redis; gives what was sent, by the digest of the bundle."""
    packages = {one.packed.manifest.digest: one.packed for one in coded if one.packed is not None}
    return {digest: sent(bundles, packed) for digest, packed in packages.items()}


def sent(bundles: Bundles, packed: Packed) -> SentCode:
    """Send what is missing of one bundle, and then its list of files."""
    manifest = packed.manifest
    missing = set(bundles.missing(manifest.chunk_sizes))
    size = bundles.put_chunks({digest: data for digest, data in packed.chunks.items() if digest in missing})
    bundles.put(manifest)
    return SentCode(
        files=len(manifest.files),
        bytes=manifest.size,
        sent_files=sum(not missing.isdisjoint(file.chunks) for file in manifest.files),
        sent_bytes=size,
        notes=shortened(packed.notes),
    )


def shortened(notes: Sequence[str]) -> tuple[str, ...]:
    """The first of many sentences, and how many more there are."""
    more = len(notes) - MOST_NOTES
    return (*notes[:MOST_NOTES], f"… and {more:,} more are left out") if more > 0 else tuple(notes)


def refuse_unknown(bundles: Bundles, coded: Iterable[Coded]) -> None:
    """A spec that names a bundle of its own accord, which is not in this Redis."""
    for one in coded:
        source: Mapping[str, Any] = one.spec.get("source") or {}
        if one.packed is None and source.get("kind") == "bundle" and bundles.get(source["digest"]) is None:
            message = f"the code of {full_name(one.spec)}, {source['digest']}, is not in this Redis"
            raise InvalidDeployment(message, field="source", hint="create the deployment from its file")
