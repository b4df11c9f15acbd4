"""Code in Redis: each piece once, whole bundles only, nothing that is not what its name says."""

import os

import pytest

from orchestrator.bundles import CHUNK_BYTES, File, Manifest
from orchestrator.bundles.chunks import digest_of, stored
from orchestrator.errors import BadBundle, IncompleteBundle

NOWHERE = "0" * 64


def bundle(**files):
    """A manifest of files with these contents, and its pieces."""
    cut = {
        name: [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)] for name, data in files.items()
    }
    rows = tuple(
        File(path=name, size=len(files[name]), executable=False, chunks=tuple(map(digest_of, pieces)))
        for name, pieces in cut.items()
    )
    return Manifest(rows), {digest_of(piece): piece for pieces in cut.values() for piece in pieces}


def test_a_bundle_comes_back_as_it_was_put(store):
    manifest, pieces = bundle(a=b"small", b=os.urandom(2 * CHUNK_BYTES + 7), c=bytes(CHUNK_BYTES), d=b"")
    assert store.bundles.missing(pieces) == list(pieces)
    store.bundles.put_chunks(pieces)
    store.bundles.put(manifest)
    assert store.bundles.missing(pieces) == []
    assert store.bundles.get(manifest.digest) == manifest
    assert dict(store.bundles.chunks(manifest.chunk_sizes)) == pieces


def test_text_takes_less_room_and_random_bytes_no_more_than_they_have(store):
    assert store.bundles.put_chunks(bundle(a=b"import this\n" * 1000)[1]) < 200
    assert store.bundles.put_chunks(bundle(a=os.urandom(1000))[1]) == 1001


def test_a_bundle_with_a_piece_missing_is_not_kept(store):
    manifest, pieces = bundle(a=b"one", b=b"two")
    store.bundles.put_chunks({digest: data for digest, data in pieces.items() if data == b"one"})
    with pytest.raises(IncompleteBundle) as caught:
        store.bundles.put(manifest)
    assert caught.value.missing == (digest_of(b"two"),)
    assert store.bundles.get(manifest.digest) is None


def test_thousands_of_small_pieces_are_asked_for_and_read_in_few_calls(store):
    manifest, pieces = bundle(**{f"f{number}": b"%d" % number for number in range(3000)})
    store.bundles.put_chunks(pieces)
    store.bundles.put(manifest)
    before = store.scripts.redis.info("stats")["total_net_input_bytes"]
    assert dict(store.bundles.chunks(pieces)) == pieces
    assert store.scripts.redis.info("stats")["total_net_input_bytes"] - before < 1 << 20


def test_a_piece_that_is_not_there_or_is_another_is_no_part_of_a_flow(store):
    manifest, pieces = bundle(a=b"one")
    store.bundles.put_chunks(pieces)
    store.bundles.put(manifest)
    key = store.keys.chunk(*pieces)
    for other in (None, stored(b"two"), b"=" * (2 << 20)):
        store.scripts.redis.set(key, other) if other else store.scripts.redis.delete(key)
        with pytest.raises(BadBundle):
            list(store.bundles.chunks(pieces))


def test_a_manifest_that_is_another_one_is_not_used(store):
    one, _ = bundle(a=b"")
    other, _ = bundle(b=b"")
    for held in (stored(other.to_bytes()), b"", b"z", b"=" + bytes(5 << 20)):
        store.scripts.redis.set(store.keys.bundle(one.digest), held)
        with pytest.raises(BadBundle):
            store.bundles.get(one.digest)
    assert store.bundles.get(NOWHERE) is None


def test_digests_that_are_none_never_become_keys(store):
    for call in (
        store.bundles.missing,
        lambda names: store.bundles.get(*names),
        lambda names: list(store.bundles.chunks(names)),
    ):
        with pytest.raises(BadBundle):
            call(["../x"])
    with pytest.raises(BadBundle):
        store.bundles.put_chunks({NOWHERE: b"other bytes"})
