"""The wire's codec is msgpack byte for byte, and nothing that arrives on it can hurt the reader."""

import os
import socket
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.process import frames
from orchestrator.process.frames import Splitter, WireError

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()
)
VALUES: Any = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=40)


@given(VALUES)
def test_packing_gives_the_bytes_of_the_msgpack_library(value: object) -> None:
    assert frames.pack(value) == msgpack.packb(value)


@given(VALUES)
def test_unpacking_reads_what_the_msgpack_library_wrote(value: object) -> None:
    assert frames.unpack(msgpack.packb(value)) == value


@pytest.mark.parametrize("size", [0, 31, 32, 255, 256, 65535, 65536])
def test_every_length_form_is_the_librarys(size: int) -> None:
    for value in ("x" * size, b"x" * size, [1] * size, {str(n): n for n in range(min(size, 66000))}):
        assert frames.pack(value) == msgpack.packb(value)
        assert frames.unpack(frames.pack(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_wire_error(data: bytes) -> None:
    try:
        frames.unpack(data)
    except WireError:
        return


@given(VALUES, st.data())
def test_a_truncated_value_is_a_wire_error(value: object, data: Any) -> None:
    packed = frames.pack(value)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(WireError):
        frames.unpack(packed[:cut])


def test_text_that_is_not_unicode_is_sent_with_backslashes() -> None:
    assert frames.unpack(frames.pack("a\udc80b")) == "a\\udc80b"


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1])
def test_an_integer_over_64_bits_is_refused(value: int) -> None:
    with pytest.raises(WireError, match="64 bits"):
        frames.pack(value)


def test_a_foreign_type_is_named() -> None:
    with pytest.raises(TypeError, match="got object"):
        frames.pack([object()])


def test_a_megabyte_of_empty_containers_is_refused_before_it_is_built() -> None:
    with pytest.raises(WireError, match="at most"):
        frames.unpack(b"\xdd" + (10**6).to_bytes(4, "big") + b"\x80" * 10**6)


def test_nesting_beyond_the_bound_is_refused_on_both_sides() -> None:
    with pytest.raises(WireError, match="levels"):
        frames.unpack(b"\x91" * 1000 + b"\xc0")
    deep: list[Any] = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(WireError, match="levels"):
        frames.pack(deep)


def test_a_splitter_fed_byte_by_byte_gives_the_same_frames() -> None:
    data = frames.frame("log", {"message": "ä" * 300}) + frames.frame("go", {})
    splitter = Splitter()
    found = [each for byte in data for each in splitter.feed(bytes([byte]))]
    assert found == [("log", {"message": "ä" * 300}), ("go", {})]
    assert splitter.pending == 0


def test_a_frame_over_the_bound_is_refused_from_its_head_alone() -> None:
    with pytest.raises(WireError, match="at most"):
        Splitter().feed((frames.MAX_FRAME + 1).to_bytes(4, "big"))
    with pytest.raises(WireError, match="at most"):
        frames.frame("result", {"value": b"x" * frames.MAX_FRAME})


@pytest.mark.parametrize("payload", [b"\x90", b"\x92\xa1x\xc0", b"\xc0", b"\x93\xa1x\x80\x80"])
def test_a_payload_that_is_no_kind_and_body_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError, match="kind, body"):
        frames.parse(payload)


def test_reading_blocks_for_whole_frames_and_ends_with_none() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frames.write_frame(theirs.fileno(), "go", {"at": 1.5})
        theirs.shutdown(socket.SHUT_WR)
        assert frames.read_frame(ours.fileno()) == ("go", {"at": 1.5})
        assert frames.read_frame(ours.fileno()) is None


def test_an_end_inside_a_frame_is_a_wire_error() -> None:
    read, write = os.pipe()
    os.write(write, frames.frame("go", {})[:-1])
    os.close(write)
    with pytest.raises(WireError, match="got"):
        frames.read_frame(read)
    os.close(read)
