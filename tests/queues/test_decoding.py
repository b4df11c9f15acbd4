"""Bytes out of Redis become values only when they are what we write: bounded before anything is built."""

from __future__ import annotations

import tracemalloc

import msgpack
import pytest

from queues.decoding import checked_row, from_json, from_msgpack
from queues.errors import BadPayload

MOST = 1 << 20


def test_what_we_write_is_read_back() -> None:
    assert from_json(b'{"a": [1, 2.5, null, {"b": "\xc3\xa4"}]}', most=MOST) == {"a": [1, 2.5, None, {"b": "ä"}]}
    assert from_msgpack(msgpack.packb([1, [[2, "x"], []]]), most=MOST, longest=9) == (1, ((2, "x"), ()))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": 1', "no JSON"),
        (b"{} {}", "no JSON"),
        (b'{"a": NaN}', "holds NaN"),
        (b"[-Infinity]", "holds -Infinity"),
        (b"[1e400]", "holds 1e400"),
        (b'{"a": {"b": 1, "b": 2}}', "names 'b' twice"),
        (b"[" * 1001 + b"]" * 1001, "more than 64 levels deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "more than 64 levels deep"),
        (b'["\xff"]', "no UTF-8 at byte 2"),
        (b"9" * 5000, "no JSON"),
        (b" " * (MOST + 1), "has 1048577 bytes, allowed are 1048576"),
    ],
)
def test_json_that_we_do_not_write_is_refused_with_a_reason(data: bytes, said: str) -> None:
    with pytest.raises(BadPayload, match=said):
        from_json(data, most=MOST)


def test_brackets_in_texts_and_wide_lists_are_no_depth() -> None:
    text = b'["' + b"[{" * 500 + b'\\"[", ' + b", ".join([b"[]"] * 500) + b"]"
    assert len(from_json(text, most=MOST)) == 501


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (msgpack.packb([1, [2]])[:-1], "no msgpack"),
        (msgpack.packb([1]) + b"\x01", "no msgpack"),
        (b"", "no msgpack"),
        (msgpack.packb([msgpack.ExtType(5, b"x")]), "no msgpack|extension"),
        (msgpack.packb([msgpack.Timestamp(1, 1)]), "no msgpack|extension"),
        (msgpack.packb([{}]), "holds a map"),
        (msgpack.packb([b"bytes"]), "no msgpack"),
        (b"\x91" * 2000 + b"\x01", "no msgpack"),
        (b"\xdd\xff\xff\xff\xff", "no msgpack"),
        (b"\xdb\xff\xff\xff\xff", "no msgpack"),
        (msgpack.packb([0] * 10), "no msgpack"),
        (b"\x80" * (MOST + 1), "has 1048577 bytes"),
    ],
)
def test_msgpack_that_we_do_not_write_is_refused_with_a_reason(data: bytes, said: str) -> None:
    with pytest.raises(BadPayload, match=said):
        from_msgpack(data, most=MOST, longest=9)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80" * 10_000_000,
        b"\xdd\x00\x0f\xff\xf0" + b"\x80" * 1_048_560,
        b"\xdd\x00\x0f\xff\xf0" + b"\x90" * 1_048_560,
    ],
)
def test_what_decodes_to_seventy_times_its_size_costs_next_to_nothing(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadPayload):
            checked_row(from_msgpack(data, most=MOST, longest=MOST), (int,), least=1)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("row", [[1], "text", (1,), ("1", "x"), (True, "x"), (1, 2), (1, "x", 3.5)])
def test_a_row_of_other_types_is_refused(row: object) -> None:
    with pytest.raises(BadPayload, match="expected"):
        checked_row(row, (int, str, (int, type(None))), least=2)


def test_items_of_a_newer_version_behind_a_row_are_left_out_and_missing_ones_are_none() -> None:
    types = (int, str, (int, type(None)))
    assert checked_row((1, "x", None, "new"), types, least=2) == [1, "x", None]
    assert checked_row((1, "x"), types, least=2) == [1, "x", None]
