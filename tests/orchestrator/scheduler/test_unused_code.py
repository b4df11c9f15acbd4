"""Code that no kept revision names is removed, an hour after it was put there; what any of them names stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.bundles.chunks import digest_of
from orchestrator.scheduler.unused_code import UnusedCode
from tests.orchestrator.client.test_deployment_code import code_of
from tests.support.deployments import MINUTE_US, spec

HOUR_US = 60 * MINUTE_US


def deploy(client: Any, folder: Path, text: str, name: str = "nightly") -> str:
    (folder / "flows.py").write_text(text)
    return str(client.create_from_spec(code_of(folder, name=name)).source["digest"])


def sweep(store: Any) -> None:
    unused = UnusedCode(store)
    while unused.step():
        continue


def held(store: Any) -> tuple[int, int]:
    """How many bundles and pieces there are."""
    redis = store.scripts.redis
    return len(redis.keys("*:bundle:*")), len(redis.keys("*:chunk:*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared.py").write_text("x = 1")
    return tmp_path


def test_every_kept_revision_keeps_its_code(client: Any, store: Any, folder: Path) -> None:
    digests = [deploy(client, folder, f"version = {number}") for number in range(3)]
    store.travel(48 * HOUR_US)
    sweep(store)
    assert held(store) == (3, 4) and all(store.bundles.get(digest) for digest in digests)


def test_code_of_a_deleted_deployment_goes_with_all_that_no_other_has(client: Any, store: Any, folder: Path) -> None:
    deploy(client, folder, "one")
    kept = deploy(client, folder, "two", name="other")
    client.delete_deployment("nightly")
    sweep(store)
    assert held(store) == (2, 3)  # younger than an hour
    store.travel(2 * HOUR_US)
    sweep(store)
    store.travel(2 * HOUR_US)
    sweep(store)
    assert held(store) == (1, 2)
    assert len(dict(store.bundles.chunks(store.bundles.get(kept).chunk_sizes))) == 2


def test_pieces_of_a_deploy_that_was_given_up_go_after_an_hour_unless_asked_for(store: Any) -> None:
    pieces = {digest_of(text): text for text in (b"one", b"two")}
    store.bundles.put_chunks(pieces)
    store.travel(HOUR_US * 9 // 10)
    assert store.bundles.missing([digest_of(b"one")]) == []
    store.travel(HOUR_US * 2 // 10)
    sweep(store)
    assert store.bundles.missing(pieces) == [digest_of(b"two")]


def test_a_bundle_that_is_put_again_stays_for_the_deployment_to_come(client: Any, store: Any, folder: Path) -> None:
    manifest = store.bundles.get(deploy(client, folder, "one"))
    client.delete_deployment("nightly")
    store.travel(2 * HOUR_US)
    store.bundles.put(manifest)
    sweep(store)
    assert held(store) == (1, 2)
    store.travel(2 * HOUR_US)
    sweep(store)
    assert deploy(client, folder, "one") == manifest.digest and held(store)[0] == 1


def test_a_spoilt_bundle_and_lost_counts_take_nothing_of_others_along(client: Any, store: Any, folder: Path) -> None:
    spoilt, kept = deploy(client, folder, "one"), deploy(client, folder, "two", name="other")
    client.delete_deployment("nightly")
    store.scripts.redis.set(store.keys.bundle(spoilt), b"nonsense")
    store.scripts.redis.delete(store.keys.chunk_uses)
    for _ in range(2):
        store.travel(2 * HOUR_US)
        sweep(store)
    assert held(store)[0] == 1
    assert len(dict(store.bundles.chunks(store.bundles.get(kept).chunk_sizes))) == 2


def test_many_deployments_and_bundles_go_in_small_steps(client: Any, store: Any, folder: Path) -> None:
    for number in range(12):
        deploy(client, folder, f"version = {number}", name=f"d{number}")
        client.delete_deployment(f"d{number}")
    store.travel(2 * HOUR_US)
    unused, counts = UnusedCode(store), []
    while unused.step():
        counts.append(held(store)[0])
    assert counts == [7, 2] and held(store)[0] == 0


def test_a_deployment_that_names_old_code_while_a_round_goes_on_keeps_it(client: Any, store: Any, folder: Path) -> None:
    digest = deploy(client, folder, "one")
    text = client.store.deployments.find("nightly").spec
    client.delete_deployment("nightly")
    for number in range(600):
        store.deployments.put(f"other-{number}", spec(name=f"other-{number}"), [], "test")
    store.travel(2 * HOUR_US)
    unused = UnusedCode(store)
    assert unused.step()  # it has looked at some of the deployments
    client.create_from_spec({**text, "name": "again"})
    while unused.step():
        continue
    assert store.bundles.get(digest) is not None


def test_without_old_code_no_deployment_is_looked_at(client: Any, store: Any, folder: Path, monkeypatch: Any) -> None:
    deploy(client, folder, "one")
    monkeypatch.setattr(store.deployments, "some", None)
    assert UnusedCode(store).step() is False
