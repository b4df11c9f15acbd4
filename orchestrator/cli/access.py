"""How commands reach the installation: one client per command, made late so that help and bad input need no Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.client import Client


@contextmanager
def client() -> Iterator[Client]:
    """A client of the installation that the settings name; closed at the end of the command."""
    from orchestrator.client import Client

    with Client.from_settings() as opened:
        yield opened
