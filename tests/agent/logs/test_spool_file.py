"""Frames of a spool file, and its name."""

import pytest

from agent.logs.spool_file import SpoolName, bodies, frame

WHOLE = frame(b"one") + frame(b"two two")


def test_what_is_written_is_read() -> None:
    assert [body for _, body in bodies(WHOLE)] == [b"one", b"two two"]
    assert [end for end, _ in bodies(WHOLE)] == [11, len(WHOLE)]


@pytest.mark.parametrize("left", range(len(WHOLE)))
def test_what_was_cut_off_anywhere_leaves_the_whole_frames_before_it(left: int) -> None:
    assert [body for _, body in bodies(WHOLE[:left])] == ([b"one"] if left >= 11 else [])


@pytest.mark.parametrize("at", range(len(WHOLE)))
def test_one_wrong_bit_ends_the_file_where_it_stands(at: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[at] ^= 1
    assert [body for _, body in bodies(bytes(damaged))] == ([b"one"] if at >= 11 else [])


def test_a_name_says_whose_lines_they_are_and_is_read_back() -> None:
    name = SpoolName("0b9c-1", 2, 17, 101)
    assert SpoolName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["", "lock", "../x.1.1.1", "a/b.1.1.1", "a.1.1", "a.1.1.x", "a.b.1.1.1", "x" * 65 + ".1.1.1"]
)
def test_what_is_no_name_of_ours_is_no_file_of_ours(text: str) -> None:
    assert SpoolName.parse(text) is None
