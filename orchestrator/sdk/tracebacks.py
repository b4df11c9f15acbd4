"""An exception as text, by the interpreter's own printer and without the frames of this SDK.

The traceback module would cost three quarters of a bare interpreter's start. Python 3.13 and later use it for their
own printing; there it is loaded past a user's file of that name.
"""

import _thread
import io
import os
import sys

from orchestrator.sdk import stdlib
from orchestrator.sdk.states import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

LIMIT = 64 * 1024
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_printing = _thread.allocate_lock()


def formatted(error: BaseException) -> str:
    """The traceback with causes and notes, as Python prints it; at most LIMIT characters, the end being kept."""
    try:
        text = _printed(error)
    except Exception as trouble:  # an exception with hostile attributes must not hide that the run failed
        text = f"{describe(error)}\n(its traceback could not be printed: {describe(trouble)})"
    text = text.rstrip("\n")
    return text if len(text) <= LIMIT else f"(beginning cut)\n{text[-LIMIT:]}"


class _Paper(io.StringIO):
    """Stands in for sys.stderr: takes what the printing thread writes, passes on what other threads write."""

    def __init__(self, real: "Any") -> None:
        super().__init__()
        self._real = real
        self._owner = _thread.get_ident()

    def write(self, text: str) -> int:
        if _thread.get_ident() == self._owner:
            return super().write(text)
        return int(self._real.write(text) or 0)


def _printed(error: BaseException) -> str:
    if sys.version_info >= (3, 13):
        stdlib.load("traceback")
    with _printing:
        kept = _without_our_frames(error)
        real = sys.stderr
        paper = _Paper(real)
        sys.stderr = paper
        try:
            sys.__excepthook__(type(error), error, error.__traceback__)
        finally:
            sys.stderr = real
            for each, trace in kept:
                each.__traceback__ = trace
        return paper.getvalue()


def _without_our_frames(error: BaseException) -> "list[tuple[BaseException, TracebackType | None]]":
    """Cut our frames out of an exception and its causes; returns what to put back."""
    kept: list[tuple[BaseException, TracebackType | None]] = []
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        kept.append((each, each.__traceback__))
        each.__traceback__ = without_ours(each.__traceback__)
        todo += [each.__cause__, each.__context__]
    return kept


def without_ours(trace: "TracebackType | None") -> "TracebackType | None":
    """A traceback without the frames of this package; unchanged when it has no others, being a fault of ours."""
    links = []
    link = trace
    while link is not None:
        if not link.tb_frame.f_code.co_filename.startswith(_OURS):
            links.append(link)
        link = link.tb_next
    if not links:
        return trace
    result: TracebackType | None = None
    for link in reversed(links):
        result = type(link)(result, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return result
