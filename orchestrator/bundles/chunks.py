"""The pieces of files as Redis holds them: compressed where that helps, and opened again within bounds."""

import zlib
from hashlib import sha256

from orchestrator.bundles.manifest import CHUNK_BYTES
from orchestrator.errors import BadBundle

PLAIN, DEFLATED = b"=", b"z"
LARGEST_STORED = CHUNK_BYTES + 1
"""Bytes of a stored piece: never more than its mark and itself."""


def digest_of(data: bytes) -> str:
    """The name of a piece."""
    return sha256(data).hexdigest()


def stored(data: bytes) -> bytes:
    """A mark and the bytes, or a mark and fewer bytes that stand for them."""
    deflated = zlib.compress(data)
    return DEFLATED + deflated if len(deflated) < len(data) else PLAIN + data


def opened(held: bytes, most: int = CHUNK_BYTES) -> bytes:
    """What `stored` was given, of at most `most` bytes; raises BadBundle before more than that is built."""
    mark, body = held[:1], held[1:]
    if mark == PLAIN and len(body) <= most:
        return body
    if mark == DEFLATED:
        return inflated(body, most)
    raise BadBundle(f"it is no piece of code: {len(held)} bytes that begin with {held[:8]!r}")


def inflated(body: bytes, most: int) -> bytes:
    """Decompressed bytes; a few that stand for very many, a cut end and a longer one are refused."""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise BadBundle(f"it can not be decompressed: {error}") from None
    if len(data) > most:
        raise BadBundle(f"it holds more than {most} bytes in {len(body)}")
    if not inflater.eof or inflater.unused_data:
        raise BadBundle("its compressed bytes are cut off, or go on after their end")
    return data


def verified(digest: str, held: bytes) -> bytes:
    """The piece with this digest; raises BadBundle when the bytes held under its name are others."""
    if len(held) > LARGEST_STORED:
        raise BadBundle(f"the piece {digest} has {len(held)} bytes, allowed are {LARGEST_STORED}")
    try:
        data = opened(held)
    except BadBundle as bad:
        raise BadBundle(f"the piece {digest} can not be read: {bad.message}") from None
    if digest_of(data) != digest:
        raise BadBundle(f"the piece {digest} is not what its name says: its bytes have the digest {digest_of(data)}")
    return data
