"""Showing something again and again: in place on a terminal that can, else one page after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from orchestrator.cli.live_screen import LiveScreen
from orchestrator.cli.output import Output
from queues.errors import RedisFailure

EVERY_SECONDS = 2.0


class Page(Protocol):
    """Prints what was read; `failure` says why it could not be read again since."""

    def __call__(self, page: Output, shown: Any, /, *, failure: str | None = None) -> None: ...


def follow(output: Output, read: Callable[[], Any], show: Page) -> None:
    """Reads and shows every two seconds, until q or Ctrl-C; programs get a JSON value each time."""
    live = LiveScreen(output)
    shown = read()  # when Redis is not there at the start, that is the answer
    failure: str | None = None
    with live.keys() as asked_to_end:
        while True:
            draw(output, live, show, shown, failure)
            if asked_to_end(EVERY_SECONDS):
                return
            try:
                shown, failure = read(), None
            except RedisFailure as found:
                failure = str(found)


def draw(output: Output, live: LiveScreen, show: Page, shown: Any, failure: str | None) -> None:
    """Shows what was read last, or for programs why there is nothing new."""
    if output.form == "text":
        with live.drawing() as page:
            show(page, shown, failure=failure)
    else:
        output.json({"error": failure} if failure else shown)
        output.flush()
