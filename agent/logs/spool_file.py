"""The format of a spool file, and its name; pure.

    head    seven bytes MAGIC, one byte version
    frame   four bytes length of the body, four bytes CRC-32 of it, the body: a batch of lines as Redis gets it

A file is written at its end only. What was cut off in the middle, or is damaged, ends it: nothing after that is read.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

VERSION = 1
MAGIC = b"HGSPOOL"
HEAD = MAGIC + bytes([VERSION])
FRAME = struct.Struct(">II")

NAME = re.compile(r"([0-9A-Za-z-]{1,64})\.(\d{1,10})\.(\d{1,20})\.(\d{1,20})")


class SpoolName(NamedTuple):
    """Whose lines a file holds: the claim of a run by its token, and the number of the first line in it."""

    run_id: str
    attempt: int
    token: int
    first: int

    def __str__(self) -> str:
        return f"{self.run_id}.{self.attempt}.{self.token}.{self.first}"

    @classmethod
    def parse(cls, text: str) -> "SpoolName | None":
        """Read a file's name; None when it is none of ours, which also keeps ids that are no ids out of paths."""
        found = NAME.fullmatch(text)
        if found is None:
            return None
        return cls(found[1], int(found[2]), int(found[3]), int(found[4]))


def frame(body: bytes) -> bytes:
    """A batch as it stands in the file."""
    return FRAME.pack(len(body), zlib.crc32(body)) + body


def bodies(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Whole, undamaged frames from the first on: where each ends, and its body."""
    at = 0
    while len(data) - at >= FRAME.size:
        length, checksum = FRAME.unpack_from(data, at)
        end = at + FRAME.size + length
        body = data[at + FRAME.size : end]
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        yield end, body
        at = end
