"""The line that says how far a command has come."""

import io
import sys

import pytest

from orchestrator.cli.progress import Progress


class Screen(io.StringIO):
    """A terminal of 24 columns."""

    def isatty(self) -> bool:
        return True


def watched(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Put a terminal in the place of stderr, which pytest would undo between set-up and test."""
    made = Screen()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setattr("orchestrator.cli.progress.EVERY_SECONDS", 0)
    return made


def test_it_is_one_line_that_is_written_anew_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watched(monkeypatch)
    progress = Progress("Deleting", 200)
    for done in (100, 200):
        progress.at(done)
    progress.end()
    assert screen.getvalue() == f"\rDeleting 100 of 200\rDeleting 200 of 200\r{' ' * 21}\r"


def test_it_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watched(monkeypatch)
    Progress("Cancelling", 12_345_678).at(1_234_567)
    assert screen.getvalue() == "\rCancelling 1,234,567 of"


def test_nothing_is_shown_where_a_line_can_not_be_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watched(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    progress = Progress("Deleting", 200)
    progress.at(100)
    progress.end()
    assert screen.getvalue() == ""
