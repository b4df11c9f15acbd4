"""Code in Redis: bundles and the pieces they are made of, each once, under the digest of what it is.

Whatever comes out is verified: a piece has its digest, a manifest is sound, and neither takes more than it may. What
is not as its name says raises BadBundle, and never becomes part of a flow.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.bundles.chunks import LARGEST_STORED, opened, stored, verified
from orchestrator.bundles.manifest import CHUNK_BYTES, MOST_MANIFEST, Manifest, check_digests
from orchestrator.errors import BadBundle, IncompleteBundle
from orchestrator.keys import StoreKeys
from queues.scripts import Scripts

DIGESTS_PER_CALL = 1_000
"""Digests that one call looks at: about 2 ms of Redis."""

BYTES_PER_CALL = CHUNK_BYTES
BYTES_AT_ONCE = 4 * CHUNK_BYTES
"""Bytes of pieces that are read in one round trip."""


class Bundles:
    """Puts and reads bundles of code. A piece of none stays for an hour after it was put or asked for."""

    def __init__(self, scripts: Scripts, keys: StoreKeys) -> None:
        self._scripts = scripts
        self._keys = keys

    def missing(self, digests: Iterable[str]) -> list[str]:
        """Those of the pieces that are not in Redis, each once; the others stay there for an hour at least."""
        wanted = list(dict.fromkeys(digests))
        check_digests(wanted)
        return [
            digest
            for some in parts(wanted, DIGESTS_PER_CALL)
            for digest in self._scripts.call("find_chunks", digests=some)
        ]

    def put_chunks(self, chunks: Mapping[str, bytes]) -> int:
        """Keep pieces under their digests; gives the bytes that were sent."""
        check_digests(chunks)
        sent, batch, size = 0, dict[str, bytes](), 0
        for digest, data in chunks.items():
            held = stored(data)
            verified(digest, held)
            if batch and (size + len(held) > BYTES_PER_CALL or len(batch) == DIGESTS_PER_CALL):
                sent += self._send(batch)
                batch, size = {}, 0
            batch[digest] = held
            size += len(held)
        return sent + (self._send(batch) if batch else 0)

    def _send(self, batch: Mapping[str, bytes]) -> int:
        self._scripts.call("put_chunks", digests=list(batch), data=list(batch.values()))
        return sum(map(len, batch.values()))

    def put(self, manifest: Manifest) -> None:
        """Keep a bundle, all of whose pieces are there; raises IncompleteBundle, and writes nothing, otherwise."""
        text = manifest.to_bytes()
        chunks = list(manifest.chunk_sizes)
        absent = self._scripts.call("put_bundle", digest=manifest.digest, manifest=stored(text), chunks=chunks)
        if absent:
            raise IncompleteBundle(absent)

    def get(self, digest: str) -> Manifest | None:
        """Read a bundle; None when there is none. Raises BadBundle for one that is not what its name says."""
        check_digests([digest])
        key = self._keys.bundle(digest)
        size = self._scripts.ask(lambda client: client.strlen(key))
        if size > MOST_MANIFEST + 1:
            raise BadBundle(f"the list of files of the bundle {digest} has {size} bytes, allowed are {MOST_MANIFEST}")
        held = self._scripts.ask(lambda client: client.get(key))
        if held is None:
            return None
        try:
            manifest = Manifest.from_bytes(opened(held, MOST_MANIFEST))
        except BadBundle as bad:
            raise BadBundle(f"the bundle {digest} can not be used: {bad.message}", hint="deploy again") from None
        if manifest.digest != digest:
            raise BadBundle(f"the bundle {digest} is not what its name says: its files have {manifest.digest}")
        return manifest

    def chunks(self, digests: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Give pieces in the order asked for, each once and verified; raises BadBundle for one that is not there.

        A few MiB are held here at a time, however many are asked for.
        """
        wanted = list(dict.fromkeys(digests))
        check_digests(wanted)
        for some in parts(wanted, DIGESTS_PER_CALL):
            for group in self._groups(some):
                yield from self._read(group)

    def _groups(self, digests: Sequence[str]) -> Iterator[list[str]]:
        """Cut a list into those that are read at once. What is not there, or larger than any piece, is not read."""

        def sizes(pipe: Any) -> None:
            for digest in digests:
                pipe.strlen(self._keys.chunk(digest))

        group, together = list[str](), 0
        for digest, size in zip(digests, self._scripts.ask_many(sizes), strict=True):
            if size == 0:
                raise BadBundle(f"the piece {digest} is not in Redis", hint="deploy again")
            if size > LARGEST_STORED:
                raise BadBundle(f"the piece {digest} has {size} bytes, allowed are {LARGEST_STORED}")
            if group and together + size > BYTES_AT_ONCE:
                yield group
                group, together = [], 0
            group.append(digest)
            together += size
        yield group

    def _read(self, group: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        held: list[Any] = self._scripts.ask(lambda client: client.mget([self._keys.chunk(one) for one in group]))
        return ((digest, verified(digest, data or b"")) for digest, data in zip(group, held, strict=True))

    def put_before(self, before_us: int) -> list[str]:
        """Name the bundles that were put, or put again, last before a time."""
        key = self._keys.bundles
        found = self._scripts.ask(lambda client: client.zrangebyscore(key, "-inf", before_us))
        return [digest.decode() for digest in found]

    def drop(self, digest: str, before_us: int) -> bool:
        """Remove a bundle unless it was put again since a time; its pieces stay for a while when no other has them."""
        try:
            manifest = self.get(digest)
        except BadBundle:
            manifest = None  # which pieces it had is not known: they stay
        chunks = list(manifest.chunk_sizes) if manifest else []
        return bool(self._scripts.call("drop_bundle", digest=digest, chunks=chunks, before=before_us))

    def drop_loose(self, before_us: int, most: int) -> int:
        """Remove pieces of no bundle that nobody has asked for since a time; gives how many were looked at."""
        return int(self._scripts.call("drop_chunks", before=before_us, most=most))


def parts(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut a list after every so many items."""
    return (items[at : at + size] for at in range(0, len(items), size))
