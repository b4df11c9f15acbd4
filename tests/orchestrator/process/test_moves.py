"""Moves of tasks are encoded as any frame, and leave in order: at once with what follows, else within milliseconds."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.logs import wire
from orchestrator.process import frames, moves
from orchestrator.process.frames import Splitter, WireError
from orchestrator.process.link import MOST_WAITING, Link

TEXTS = st.text(max_size=300)


@given(TEXTS, TEXTS, st.floats(allow_nan=False), st.integers(0, 2**40), st.none() | TEXTS)
def test_a_move_is_the_frame_that_the_codec_makes(
    id: str, name: str, at: float, attempt: int, parent: str | None
) -> None:
    body = {"id": id, "name": name, "kind": "task", "state": "RUNNING", "at": at, "attempt": attempt}
    body |= {} if parent is None else {"parent": parent}
    made = moves.move(id, name, "RUNNING", at, attempt, parent)
    assert made == frames.frame("task", body)
    assert wire.parse(made[4:]) == frames.parse(made[4:])


@pytest.mark.parametrize(
    "payload", [b"\x92\xa4task", b"\x92\xa4task\xc0", b"\x92\xa4task\x81\x90\x01", b"\x92\xa4task\xc7\x00\x01", b"\xc1"]
)
def test_what_is_no_move_breaks_the_wire_as_ever(payload: bytes) -> None:
    with pytest.raises(WireError):
        wire.parse(payload)


@pytest.fixture
def ends() -> Iterator[tuple[Link, int]]:
    """A link, and the agent's end of it."""
    agents, flows = socket.socketpair()
    with agents, flows:
        yield Link(os.dup(flows.fileno())), agents.fileno()


def kinds(fd: int, count: int) -> list[str]:
    """The kinds of the next frames, in order."""
    splitter, found = Splitter(), list[str]()
    while len(found) < count:
        assert select.select([fd], (), (), 5.0)[0], f"nothing came after {found}"
        found += [kind for kind, _ in splitter.feed(os.read(fd, 1 << 16))]
    return found


def test_what_may_wait_comes_before_what_is_sent_after_it_and_else_by_itself(ends: tuple[Link, int]) -> None:
    link, fd = ends
    for _ in range(3):
        link.send_soon(frames.frame("a", {}))
        link.send("b", {})
    assert kinds(fd, 6) == ["a", "b"] * 3
    for number in range(50):
        link.send_soon(frames.frame(str(number), {}))
    assert kinds(fd, 50) == [str(number) for number in range(50)], "nothing was sent after them"
    link.send_soon(frames.frame("later", {}))
    assert kinds(fd, 1) == ["later"], "the thread goes on"


def test_no_more_waits_than_a_few_kilobytes(ends: tuple[Link, int]) -> None:
    link, fd = ends
    piece = frames.frame("a", {"x": "y" * 1000})
    for _ in range(200):
        link.send_soon(piece)
        assert sum(map(len, link._soon)) < MOST_WAITING
    assert len(kinds(fd, 200)) == 200
