"""Bundles of code for tests: from texts to what Redis keeps."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from orchestrator.bundles.manifest import CHUNK_BYTES, File, Manifest
from orchestrator.store.installation import Store


def packed(
    files: Mapping[str, str | bytes], executable: frozenset[str] = frozenset()
) -> tuple[Manifest, dict[str, bytes]]:
    """The list of these files, and their pieces by digest."""
    pieces: dict[str, bytes] = {}
    listed = []
    for path, text in files.items():
        data = text.encode() if isinstance(text, str) else text
        cut = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
        digests = tuple(sha256(piece).hexdigest() for piece in cut)
        pieces |= dict(zip(digests, cut, strict=True))
        listed.append(File(path=path, size=len(data), executable=path in executable, chunks=digests))
    return Manifest(tuple(listed)), pieces


def put(store: Store, files: Mapping[str, str | bytes]) -> dict[str, object]:
    """Keep a bundle in Redis; gives the `source` of a deployment that runs from it."""
    manifest, pieces = packed(files)
    store.bundles.put_chunks(pieces)
    store.bundles.put(manifest)
    return {"kind": "bundle", "digest": manifest.digest, "files": len(manifest.files), "bytes": manifest.size}
