"""One call of every script that keeps code: a part of the stage in `resent_calls`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from orchestrator.bundles import File, Manifest
from orchestrator.bundles.chunks import digest_of
from orchestrator.store import Store

Call = Callable[[], Any]
PIECES = {digest_of(data): data for data in (b"one", b"two")}
MANIFEST = Manifest(
    tuple(
        File(path=name, size=3, executable=False, chunks=(name_of,)) for name, name_of in zip("ab", PIECES, strict=True)
    )
)


class CodeCalls:
    """The calls of `store.bundles`, and of the scheduler that removes what is not used."""

    near: Store
    far: Store

    def find_chunks(self) -> Call:
        self.near.bundles.put_chunks(PIECES)
        return partial(self.far.bundles.missing, ["0" * 64, *PIECES])

    def put_chunks(self) -> Call:
        return partial(self.far.bundles.put_chunks, PIECES)

    def put_bundle(self) -> Call:
        self.near.bundles.put_chunks(PIECES)
        return partial(self.far.bundles.put, MANIFEST)

    def drop_bundle(self) -> Call:
        self.near.bundles.put_chunks(PIECES)
        self.near.bundles.put(MANIFEST)
        before, chunks = self.near.scripts.now_us() + 1_000_000, list(PIECES)
        return partial(self.far.own_scripts.call, "drop_bundle", digest=MANIFEST.digest, chunks=chunks, before=before)

    def drop_chunks(self) -> Call:
        self.near.bundles.put_chunks(PIECES)
        return partial(self.far.bundles.drop_loose, self.near.scripts.now_us() + 1_000_000, 10)
