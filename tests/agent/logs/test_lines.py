"""Cutting bytes into lines."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.logs.lines import CUT_MARK, MAX_LINE, LineSplitter, cut


def test_a_line_comes_out_when_its_end_comes_in() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"one\ntw") == ["one"]
    assert splitter.feed(b"o\r\n\nthree") == ["two", ""]
    assert splitter.flush() == ["three"] and splitter.flush() == []


def test_a_character_that_is_cut_between_two_chunks_is_whole() -> None:
    splitter = LineSplitter()
    first, rest = "größe\n".encode()[:3], "größe\n".encode()[3:]
    assert splitter.feed(first) + splitter.feed(rest) == ["größe"]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert LineSplitter().feed(b"\xff\xfe!\n") == ["\ufffd\ufffd!"]


def test_a_line_that_is_too_long_is_cut_with_a_mark_and_the_next_one_is_whole() -> None:
    splitter = LineSplitter()
    lines = splitter.feed(b"x" * (MAX_LINE + 5) + b"\nnext\n")
    assert lines == ["x" * MAX_LINE + CUT_MARK, "next"]


def test_a_gigabyte_without_a_line_end_takes_no_memory() -> None:
    splitter = LineSplitter()
    lines = [line for _ in range(100) for line in splitter.feed(b"x" * MAX_LINE)]
    assert len(lines) == 1 and lines[0].endswith(CUT_MARK)
    assert splitter.feed(b"xx\nnext\n") == ["next"]


def test_text_is_cut_like_bytes() -> None:
    assert cut("short") == "short"
    assert cut("ü" * MAX_LINE).endswith(CUT_MARK)


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0, max_value=300), max_size=6))
def test_lines_do_not_depend_on_how_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(data)]
    whole, pieces = LineSplitter(), LineSplitter()
    at_once = whole.feed(data) + whole.flush()
    piecewise = [line for a, b in pairwise(places) for line in pieces.feed(data[a:b])]
    assert piecewise + pieces.flush() == at_once
