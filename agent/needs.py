"""What a run needs on this machine before it can be launched, and who brings it there.

A need is a frozen value, equal for equal things: code of a digest, an environment of some requirements. A provider is
asked in two processes: `place` and `unpin` in the supervisor, on the thread of calls, so they only look; `prepare` in a
process of its own (`agent.preparing`), where it may take minutes, start processes and wait for them. The two share
nothing but the disk.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from agent.errors import PreparationFailed

Progress = Callable[[str], None]
"""Told what is being done, in a few words: they stand on the waiting run."""

UNUSED_SECONDS = 60.0
"""How long a place stays pinned at least after it was asked for: its run is on its way to the loop."""


class Need(Protocol):
    """Something that a run needs; hashable."""

    @property
    def kind(self) -> str:
        """Which provider brings it: `bundle`, `git`, `environment`."""
        ...

    @property
    def key(self) -> str:
        """A short text of its own, the same for equal needs."""
        ...

    @property
    def part(self) -> str:
        """What it is of a deployment, for a sentence: `code`, `environment`."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Its fields, as a frame takes them: texts, numbers, lists."""
        ...


class Provider(Protocol):
    """Brings needs of one kind onto this machine."""

    def need(self, fields: Mapping[str, Any]) -> Need:
        """The need of these fields, as its `to_dict` gave them."""
        ...

    def place(self, need: Any) -> Path | None:
        """The ready folder, pinned until `unpin` or the end of this process; None when it must be prepared first.

        Quick: it looks at files, and neither writes nor waits nor reaches for the network.
        """
        ...

    def prepare(self, need: Any, progress: Progress) -> Path:
        """Bring it here, in a process of its own; raises PreparationFailed.

        An OSError that passes is this machine's own fault (a full disk): no run fails for it, and it is tried again.
        """
        ...

    def unpin(self, need: Any) -> None:
        """Let a place that no run uses any more be removed, when room is needed."""
        ...


class Providers:
    """The providers of one agent, by the kind of need. Methods may be called by any thread."""

    def __init__(
        self,
        by_kind: Mapping[str, Provider],
        *,
        tidy: Sequence[Callable[[], object]] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._by_kind = by_kind
        self._tidy = tidy
        self._now = now
        self._pinned: dict[str, tuple[Need, float]] = {}
        self._guard = threading.Lock()

    def place(self, need: Need) -> Path | None:
        """The ready folder, pinned; None when it must be prepared first."""
        with self._guard:
            place = self._of(need.kind).place(need)
            if place is not None:
                self._pinned[need.key] = need, self._now()
            return place

    def prepare(self, kind: str, fields: Mapping[str, Any], progress: Progress) -> Path:
        """Bring a need of these fields here."""
        provider = self._of(kind)
        return provider.prepare(provider.need(fields), progress)

    def tidy(self) -> None:
        """Remove what dead processes left half made, and what is more than may be kept; raises OSError."""
        for remove in self._tidy:
            remove()

    def unpin_all_but(self, used: frozenset[str]) -> None:
        """Let everything go that no run of these keys uses, and that was not asked for just now."""
        with self._guard:
            before = self._now() - UNUSED_SECONDS
            for key, (need, asked_at) in list(self._pinned.items()):
                if key not in used and asked_at < before:
                    self._of(need.kind).unpin(need)
                    del self._pinned[key]

    def _of(self, kind: str) -> Provider:
        try:
            return self._by_kind[kind]
        except KeyError:
            raise PreparationFailed(f"this agent can not prepare a {kind}", final=True) from None
