"""The list of a bundle's files. One that exists is sound: whoever unpacks it need not look at its paths again.

It can name files and nothing else: links, devices and empty folders have no words here. Its digest names the bundle,
and is that of its one canonical text, so that the same files are the same bundle wherever they were packed.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from orchestrator.bundles.paths import check_paths
from orchestrator.errors import BadBundle, expected, shown

MOST_FILES = 10_000
MOST_BYTES = 16 << 20
"""Bytes of all files of a bundle together."""

CHUNK_BYTES = 1 << 20
"""Bytes of a piece; the last one of a file may be shorter."""

MOST_MANIFEST = 4 << 20
"""Bytes of the text of a manifest."""

DIGEST_LENGTH = 64
FIELDS = {"path", "size", "executable", "chunks"}


@dataclass(frozen=True, kw_only=True)
class File:
    """One file: its path below the bundle's root, its bytes, and the digests of the pieces that they are cut into."""

    path: str
    size: int
    executable: bool
    chunks: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """The files of a bundle by path. Raises BadBundle when it is made of anything that may not be unpacked."""

    files: tuple[File, ...]

    def __post_init__(self) -> None:
        check_counts(self.files)
        for file in self.files:
            check_file(file)
        check_paths([file.path for file in self.files])
        if self.size > MOST_BYTES:
            raise BadBundle(f"expected its files to have at most {MOST_BYTES} bytes, got {self.size}")
        object.__setattr__(self, "files", tuple(sorted(self.files, key=lambda file: file.path)))
        if len(self._text) > MOST_MANIFEST:
            raise BadBundle(f"expected the list of its files to have at most {MOST_MANIFEST} bytes")
        _ = self.chunk_sizes

    @cached_property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @cached_property
    def digest(self) -> str:
        """The name of the bundle: 64 hexadecimal digits that stand for exactly these files."""
        return sha256(self._text).hexdigest()

    @cached_property
    def chunk_sizes(self) -> dict[str, int]:
        """The digest of every piece, each once, with its bytes."""
        sizes: dict[str, int] = {}
        for file in self.files:
            left = file.size
            for chunk in file.chunks:
                size = min(left, CHUNK_BYTES)
                if sizes.setdefault(chunk, size) != size:
                    raise BadBundle(f"the piece {chunk} has {sizes[chunk]} bytes in one file, and {size} in another")
                left -= size
        return sizes

    @cached_property
    def _text(self) -> bytes:
        rows = [
            {"path": file.path, "size": file.size, "executable": file.executable, "chunks": list(file.chunks)}
            for file in self.files
        ]
        return json.dumps({"files": rows}, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def to_bytes(self) -> bytes:
        """The one text of this manifest."""
        return self._text

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Read what `to_bytes` wrote; raises BadBundle for everything else."""
        if len(data) > MOST_MANIFEST:
            raise BadBundle(f"expected the list of its files to have at most {MOST_MANIFEST} bytes, got {len(data)}")
        try:
            value = json.loads(data.decode())
        except (ValueError, RecursionError) as error:
            raise BadBundle(f"the list of its files is no JSON: {str(error)[:200]}") from None
        found = cls(tuple(file_of(row) for row in rows_of(value)))
        # What reads as the same and is written otherwise (a name twice, 1.0 for 1) has another digest: not ours.
        if found.to_bytes() != data:
            raise BadBundle("the list of its files is not written as Headgate writes it")
        return found


def rows_of(value: Any) -> list[Any]:
    """The rows of a decoded manifest."""
    if not isinstance(value, dict) or set(value) != {"files"} or not isinstance(value["files"], list):
        raise BadBundle("expected the list of its files to be an object with `files` and nothing else")
    if len(value["files"]) > MOST_FILES:
        raise BadBundle(f"expected at most {MOST_FILES} files, got {len(value['files'])}")
    return value["files"]


def file_of(row: Any) -> File:
    """A row as a value; what it holds is looked at by the manifest."""
    if not isinstance(row, dict) or set(row) != FIELDS:
        raise BadBundle(f"expected a file to have {', '.join(sorted(FIELDS))} and nothing else, got {shown(row)}")
    if not isinstance(row["chunks"], list):
        raise BadBundle(expected("the chunks of a file", "a list", row["chunks"]))
    return File(path=row["path"], size=row["size"], executable=row["executable"], chunks=tuple(row["chunks"]))


def check_counts(files: tuple[File, ...]) -> None:
    """How many there are."""
    if not files:
        raise BadBundle("there is no file in it")
    if len(files) > MOST_FILES:
        raise BadBundle(f"expected at most {MOST_FILES} files, got {len(files)}")


def check_file(file: File) -> None:
    """Types, and pieces that fit the size; paths are looked at all together."""
    if not isinstance(file.path, str):
        raise BadBundle(expected("the path of a file", "text", file.path))
    if type(file.size) is not int or not 0 <= file.size <= MOST_BYTES:
        raise BadBundle(expected(f"the size of {shown(file.path)}", f"0 to {MOST_BYTES} bytes", file.size))
    if type(file.executable) is not bool:
        raise BadBundle(expected(f"executable of {shown(file.path)}", "true or false", file.executable))
    count = -(-file.size // CHUNK_BYTES)
    if len(file.chunks) != count:
        raise BadBundle(f"expected {shown(file.path)} of {file.size} bytes in {count} pieces, got {len(file.chunks)}")
    check_digests(file.chunks)


def check_digests(digests: Iterable[Any]) -> None:
    """Each is 64 small hexadecimal digits."""
    for digest in digests:
        if not isinstance(digest, str) or len(digest) != DIGEST_LENGTH or not set(digest) <= set("0123456789abcdef"):
            raise BadBundle(expected("the digest of a piece", f"{DIGEST_LENGTH} of 0-9 a-f", digest))
