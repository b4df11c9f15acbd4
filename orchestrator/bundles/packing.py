"""Makes the bundle of a folder: its files read, cut into pieces and named by what is in them."""

import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.bundles.chunks import digest_of
from orchestrator.bundles.manifest import CHUNK_BYTES, MOST_BYTES, MOST_FILES, File, Manifest
from orchestrator.bundles.selection import IGNORE_FILE, Chosen, select, unreadable
from orchestrator.errors import BadBundle

NAMED = 5
"""How many of the largest files and folders an error names."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A bundle on its way: its files, every piece by its digest, and what may be missed in it."""

    manifest: Manifest
    chunks: Mapping[str, bytes]
    notes: tuple[str, ...]


def pack(folder: str, without: str | None = None) -> Packed:
    """Pack a folder without another one in it; raises BadBundle for too much, for doubles and what can not be read."""
    selection = select(folder, without)
    if not selection.files:
        raise BadBundle(f"there is no file to pack in {folder}")
    refuse_large(folder, selection.files)
    chunks: dict[str, bytes] = {}
    files, left = [], MOST_BYTES
    for chosen in selection.files:
        data = content(chosen, left)
        left -= len(data)
        pieces = cut(data)
        names = tuple(map(digest_of, pieces))
        chunks.update(zip(names, pieces, strict=True))
        files.append(File(path=chosen.path, size=len(data), executable=chosen.executable, chunks=names))
    return Packed(manifest=Manifest(tuple(files)), chunks=chunks, notes=selection.notes)


def cut(data: bytes) -> list[bytes]:
    """The pieces of a file."""
    return [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]


def content(chosen: Chosen, most: int) -> bytes:
    """The bytes of a file, which may have changed since it was looked at: no link, no pipe, not more than is left."""
    try:
        fd = os.open(chosen.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            data = file.read(most + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    except OSError as error:
        raise unreadable(chosen.path, error) from None
    if data is None or len(data) > most:
        raise BadBundle(f"{chosen.path} was changed while it was packed", hint="deploy again when nothing writes there")
    return data


def refuse_large(folder: str, files: tuple[Chosen, ...]) -> None:
    """Raise BadBundle for what is too much for Redis, with what takes the most and how to leave it out."""
    total = sum(chosen.size for chosen in files)
    if total <= MOST_BYTES and len(files) <= MOST_FILES:
        return
    allowed = f"at most {size_text(MOST_BYTES)} in {MOST_FILES:,} files"
    heavy = sorted(files, key=lambda chosen: -chosen.size)[:NAMED]
    largest = ", ".join(f"{chosen.path} ({size_text(chosen.size)})" for chosen in heavy)
    raise BadBundle(
        f"expected the code in {folder} to be {allowed}, got {size_text(total)} in {len(files):,} files; "
        f"the largest are {largest}{folders_text(files)}",
        hint=f"list what runs do not need in {folder}/{IGNORE_FILE}, one line each as in a .gitignore; "
        'data belong on a disk or in a store that agents reach; or use source="path"',
    )


def folders_text(files: tuple[Chosen, ...]) -> str:
    """The folders at the top that take the most, with their files."""
    sizes, counts = Counter[str](), Counter[str]()
    for chosen in files:
        top, slash, _ = chosen.path.partition("/")
        if slash:
            sizes[top] += chosen.size
            counts[top] += 1
    heavy = sorted(sizes, key=lambda top: (-sizes[top], -counts[top]))[:NAMED]
    named = ", ".join(f"{top}/ ({size_text(sizes[top])} in {counts[top]:,} files)" for top in heavy)
    return f"; by folder: {named}" if named else ""


def size_text(size: int) -> str:
    """A number of bytes for people."""
    if size < 1 << 10:
        return f"{size} bytes" if size != 1 else "1 byte"
    kib = size / (1 << 10)
    if kib < 1000:
        return f"{kib:.1f} KiB" if kib < 10 else f"{kib:.0f} KiB"
    return f"{kib / 1024:.1f} MiB"
