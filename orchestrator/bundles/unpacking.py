"""Writes a bundle's files into an empty folder of this user's own, which nobody else can reach into.

That no path leads out of it is settled by the manifest, which can not hold one that does.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from orchestrator.bundles.manifest import File, Manifest
from orchestrator.errors import BadBundle

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(manifest: Manifest, chunks: Mapping[str, bytes], folder: Path) -> None:
    """Write every file; raises BadBundle when a piece of one is missing or has another size, OSError."""
    for file in manifest.files:
        place = folder / file.path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = assembled(file, chunks)
        with open(os.open(place, NEW, 0o700 if file.executable else 0o600), "wb") as out:
            out.write(data)


def assembled(file: File, chunks: Mapping[str, bytes]) -> bytes:
    """The bytes of a file."""
    data = b"".join(chunks.get(chunk, b"") for chunk in file.chunks)
    if len(data) != file.size:
        raise BadBundle(f"the pieces of {file.path} have {len(data)} bytes, expected {file.size}")
    return data
