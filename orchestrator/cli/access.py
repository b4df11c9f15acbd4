"""How commands reach the installation: one client per command, made late so that help and bad input need no Redis."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.client import Client
    from orchestrator.config import Settings


@contextmanager
def client(chosen: Settings | None = None) -> Iterator[Client]:
    """A client of the installation that the settings name; closed at the end of the command."""
    from orchestrator.client import Client

    with Client.from_settings(chosen or settings()) as opened:
        yield opened


def settings() -> Settings:
    """The settings of this command; what was not understood in them is said on stderr."""
    from orchestrator.config import Settings

    gc.enable()
    loaded = Settings.load()
    warn(loaded.warnings)
    return loaded


def settings_of_role() -> Settings:
    """The settings of a long-lived process; what is not as it should be around it is said on stderr too."""
    from orchestrator.cli.surroundings import warnings

    warn(warnings())
    return settings()


def warn(warnings: Iterable[str]) -> None:
    """Says what does not keep a command from its work."""
    from orchestrator.cli.output import VISIBLE_LINES

    for warning in warnings:
        print(f"Warning: {warning.translate(VISIBLE_LINES)}", file=sys.stderr)
