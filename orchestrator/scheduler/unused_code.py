"""Removing code that no deployment names any more: bundles first, then the pieces that no bundle is made of.

A deployment sends its code before it is recorded, so nothing goes that was put there, or named by a deployment that was
applied, within the last hour. Runs that are on a machine already have their code there.
"""

from orchestrator.scheduler import events
from orchestrator.store import Store
from queues.clock import seconds_to_us

KEPT_SECONDS = 3600.0
DEPLOYMENTS_AT_ONCE = 50
BUNDLES_AT_ONCE = 5
CHUNKS_AT_ONCE = 200
"""What one step does at most: some milliseconds of Redis."""


class UnusedCode:
    """Goes round: the kept revisions of some deployments at a time say which of the old bundles are named still.

    Whoever applies a deployment makes what it names as good as new, so a bundle that was old when the round began, and
    that no deployment names which was there all the time, is named by none. Without old bundles there is no round.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._before_us = 0
        self._unnamed: set[str] = set()
        self._looked_to: int | None = None

    def step(self) -> bool:
        """Look a bit further or remove a bit more; whether there is more to do."""
        if self._looked_to is None and not self._unnamed:
            self._begin()
        if self._unnamed and self._looked_to is not None:
            self._look()
            if self._looked_to is not None and self._unnamed:
                return True
        self._looked_to = None
        some = sorted(self._unnamed)[:BUNDLES_AT_ONCE]
        self._unnamed.difference_update(some)
        bundles = sum(self._store.bundles.drop(digest, self._before_us) for digest in some)
        chunks = self._store.bundles.drop_loose(self._before_us, CHUNKS_AT_ONCE)
        if bundles or chunks:
            events.forgot_code(bundles=bundles, pieces=chunks)
        return bool(self._unnamed) or chunks == CHUNKS_AT_ONCE

    def _begin(self) -> None:
        self._before_us = self._store.scripts.now_us() - seconds_to_us(KEPT_SECONDS)
        self._unnamed = set(self._store.bundles.put_before(self._before_us))
        self._looked_to = 0

    def _look(self) -> None:
        """Strike what the next deployments name off the old bundles; after the last there is nowhere to look on."""
        after, some = self._store.deployments.some(self._looked_to or 0, DEPLOYMENTS_AT_ONCE)
        self._unnamed -= self._store.deployments.revisions.digests_named(some)
        self._looked_to = after or None
