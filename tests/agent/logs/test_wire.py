"""Frames out of a run's bytes: the same as the wire's own reader makes, but for printed text, which comes joined."""

from itertools import pairwise

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.logs.wire import LONGEST, FrameReader
from orchestrator.process.frames import MAX_FRAME, PRINTED, Splitter, WireError, frame

BODIES = st.dictionaries(
    st.text(max_size=8), st.none() | st.integers(-9, 1 << 40) | st.text() | st.binary(), max_size=4
)


def printed(stream: int, text: str) -> bytes:
    """A frame as `orchestrator.process.output` makes it."""
    raw = text.encode()
    payload = PRINTED + bytes((stream,)) + b"\xa4text\xdb" + len(raw).to_bytes(4, "big") + raw
    return len(payload).to_bytes(4, "big") + payload


SENT = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.text(max_size=20)) | st.tuples(st.text(max_size=6), BODIES), max_size=12
)


@given(SENT, st.lists(st.integers(min_value=0, max_value=1500), max_size=8))
def test_nothing_is_lost_or_moved_however_the_bytes_arrive(
    sent: list[tuple[int | str, object]], cuts: list[int]
) -> None:
    raw = b"".join(printed(kind, str(body)) if isinstance(kind, int) else frame(kind, body) for kind, body in sent)  # type: ignore[arg-type]
    places = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    reader, found = FrameReader(), []
    for a, b in pairwise(places):
        found += reader.feed(raw[a:b])
    assert reader.count == len(sent) and joined(found) == joined(Splitter().feed(raw))


def joined(found: list[tuple[str, dict[str, object]]]) -> list[tuple[str, dict[str, object]]]:
    """Frames in which text that was printed in a row is one."""
    made: list[tuple[str, dict[str, object]]] = []
    for kind, body in found:
        if kind == "out" and set(body) == {"stream", "text"}:
            text = body["text"] if isinstance(body["text"], bytes) else str(body["text"]).encode()
            if made and made[-1][0] == "out" and made[-1][1].get("stream") == body["stream"]:
                text = made.pop()[1]["text"] + text  # type: ignore[operator]
            made.append(("out", {"stream": body["stream"], "text": text}))
        else:
            made.append((kind, body))
    return made


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff" * 64,
        b"",
        msgpack.packb(["kind"]),
        msgpack.packb([1, {}]),
        msgpack.packb(["kind", {"a": msgpack.ExtType(5, b"x")}]),
        b"\x92\xa4task" + b"\x91" * 2000,
        b"\x92\xa4kind\xdf\xff\xff\xff\xff",
        PRINTED + b"\x01\xa4text\xdb\x00\x00\x00\x09x",
        PRINTED + b"\x01\xa4text\xdb",
        PRINTED,
        b"x" * (LONGEST + 1),
    ],
)
def test_what_is_no_frame_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        FrameReader().feed(len(payload).to_bytes(4, "big") + payload)


def test_a_frame_that_would_be_too_long_is_refused_by_its_head() -> None:
    with pytest.raises(WireError):
        FrameReader().feed((MAX_FRAME + 1).to_bytes(4, "big"))


def test_a_long_frame_that_comes_byte_by_byte_is_not_copied_for_each() -> None:
    reader, raw = FrameReader(), frame("log", {"message": "x" * 100_000})
    found = [each for at in range(len(raw)) for each in reader.feed(raw[at : at + 1])]
    assert [kind for kind, _ in found] == ["log"]
