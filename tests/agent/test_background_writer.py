"""Text for stderr, beside the loop."""

import io
import os

from agent.background_writer import MOST_WAITING, BackgroundWriter


def test_what_is_written_arrives_in_order() -> None:
    stream = io.StringIO()
    writer = BackgroundWriter(stream)
    for number in range(100):
        print(number, file=writer)
    writer.finish()
    assert stream.getvalue().split() == [str(number) for number in range(100)]


def test_a_reader_that_went_away_hurts_nobody() -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as stream:
        writer = BackgroundWriter(stream)
        writer.write("nobody hears this\n")
        writer.finish()
        assert not writer.isatty() and writer.write("nor this\n") == 9
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)


def test_a_reader_that_stalls_costs_bounded_memory_and_no_time() -> None:
    read, write = os.pipe()
    with open(write, "w") as stream:
        writer = BackgroundWriter(stream)
        for _ in range(2 * MOST_WAITING):
            writer.write("x" * 100 + "\n")
        got = b""
        while b"were dropped" not in got:
            got = got[-100:] + os.read(read, 65536)
            writer.write("more\n")
        os.close(read)
        writer.finish()
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)
