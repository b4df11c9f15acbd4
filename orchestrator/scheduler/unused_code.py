"""Removing code that no deployment names any more: bundles first, then the pieces that no bundle is made of.

A deployment sends its code before it is recorded, so nothing goes that was put there within the last hour. Runs that
are on a machine already have their code there.
"""

from collections.abc import Sequence
from typing import Any

from orchestrator.scheduler import events
from orchestrator.store import Store
from queues.clock import seconds_to_us

KEPT_SECONDS = 3600.0
DEPLOYMENTS_AT_ONCE = 50
BUNDLES_AT_ONCE = 5
CHUNKS_AT_ONCE = 200
"""What one step does at most: some milliseconds of Redis."""


class UnusedCode:
    """Knows which bundles the kept revisions of every deployment name, reading only what has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._named: dict[str, tuple[Any, frozenset[str]]] = {}

    def step(self) -> bool:
        """Look a bit further or remove a bit more; whether there is more to do."""
        if not self._look():
            return True
        before_us = self._store.scripts.now_us() - seconds_to_us(KEPT_SECONDS)
        bundles = self._drop_bundles(before_us)
        chunks = self._store.bundles.drop_loose(before_us, CHUNKS_AT_ONCE)
        if bundles or chunks:
            events.forgot_code(bundles=bundles, pieces=chunks)
        return bundles == BUNDLES_AT_ONCE or chunks == CHUNKS_AT_ONCE

    def _look(self) -> bool:
        """Read the specs of some deployments that have others than when they were read last; whether that was all."""
        marks = self._marks(list(self._store.deployments.names().values()))
        self._named = {one: known for one, known in self._named.items() if one in marks}
        stale = [one for one, mark in marks.items() if one not in self._named or self._named[one][0] != mark]
        for one in stale[:DEPLOYMENTS_AT_ONCE]:
            self._named[one] = (marks[one], self._store.deployments.digests_named(one))
        return len(stale) <= DEPLOYMENTS_AT_ONCE

    def _marks(self, deployments: Sequence[str]) -> dict[str, Any]:
        """What changes with the specs of each deployment: its revision, and how many are kept."""

        def read(pipe: Any) -> None:
            for one in deployments:
                pipe.hget(self._store.keys.deployment(one), "revision")
                pipe.hlen(self._store.keys.specs(one))

        answers = self._store.scripts.ask_many(read) if deployments else []
        return {one: tuple(answers[2 * at : 2 * at + 2]) for at, one in enumerate(deployments)}

    def _drop_bundles(self, before_us: int) -> int:
        named = frozenset[str]().union(*(digests for _, digests in self._named.values()))
        old = [digest for digest in self._store.bundles.put_before(before_us) if digest not in named]
        return sum(self._store.bundles.drop(digest, before_us) for digest in old[:BUNDLES_AT_ONCE])
