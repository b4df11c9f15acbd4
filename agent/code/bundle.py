"""Code that was packed into Redis: fetched by its digest, verified piece by piece, unpacked into the cache."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from agent.code.bytecode import compile_tree
from agent.code.cache import CodeCache
from agent.code.tree import Tree
from agent.errors import PreparationFailed
from agent.needs import Progress
from orchestrator.bundles.manifest import MOST_BYTES, MOST_FILES, Manifest
from orchestrator.errors import BadBundle


@dataclass(frozen=True, slots=True)
class BundleNeed:
    """The code of a bundle, by its digest."""

    digest: str

    kind = "bundle"
    part = "code"

    @property
    def key(self) -> str:
        """The bundle's name in the cache."""
        return f"bundle-{self.digest}"

    def to_dict(self) -> dict[str, Any]:
        """The digest."""
        return {"digest": self.digest}


class Shelf(Protocol):
    """Where bundles come from: `orchestrator.store.bundles`."""

    def get(self, digest: str) -> Manifest | None:
        """The list of a bundle's files; None when it is not there."""
        ...

    def chunks(self, digests: Iterable[str]) -> Iterable[tuple[str, bytes]]:
        """Pieces by their digests."""
        ...


class Bundles:
    """The provider of bundles; `shelf` is opened when something has to be fetched."""

    def __init__(self, cache: CodeCache, shelf: Callable[[], Shelf]) -> None:
        self._cache = cache
        self._shelf = shelf

    def need(self, fields: Mapping[str, Any]) -> BundleNeed:
        """The need of these fields."""
        return BundleNeed(str(fields["digest"]))

    def place(self, need: BundleNeed) -> Path | None:
        """The unpacked bundle, pinned."""
        return self._cache.place(need.key)

    def unpin(self, need: BundleNeed) -> None:
        """Let it be removed."""
        self._cache.unpin(need.key)

    def prepare(self, need: BundleNeed, progress: Progress) -> Path:
        """Fetch, verify and unpack it."""
        progress("fetching its files")
        try:
            shelf = self._shelf()
            manifest = shelf.get(need.digest)
            if manifest is None:
                raise PreparationFailed(
                    "its code is not in Redis any more; deploy it again and retry the run", final=True
                )
            if manifest.digest != need.digest:
                raise BadBundle(f"the list of its files has the digest {manifest.digest}, not {need.digest}")
            return self._unpacked(need, manifest, shelf)
        except BadBundle as bad:
            raise PreparationFailed(f"its code can not be used: {bad}; deploy it again", final=True) from bad

    def _unpacked(self, need: BundleNeed, manifest: Manifest, shelf: Shelf) -> Path:
        final = self._cache.path / need.key

        def write(folder: Path) -> int:
            wanted = dict.fromkeys(chunk for file in manifest.files for chunk in file.chunks)
            pieces = dict(verified(shelf.chunks(wanted)))
            with Tree(folder, most_files=MOST_FILES, most_bytes=MOST_BYTES) as tree:
                for file in manifest.files:
                    tree.file(file.path, (piece_of(pieces, chunk) for chunk in file.chunks), executable=file.executable)
                compile_tree(folder, final)
                return tree.seal()

        return self._cache.make(need.key, write)


def verified(pieces: Iterable[tuple[str, bytes]]) -> Iterable[tuple[str, bytes]]:
    """The pieces, each of which is what its digest says; raises BadBundle."""
    for digest, data in pieces:
        if sha256(data).hexdigest() != digest:
            raise BadBundle(f"the piece {digest} holds something else")
        yield digest, data


def piece_of(pieces: Mapping[str, bytes], digest: str) -> bytes:
    """One piece; raises BadBundle when it did not come."""
    try:
        return pieces[digest]
    except KeyError:
        raise BadBundle(f"the piece {digest} is not in Redis any more") from None
