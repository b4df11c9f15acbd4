"""What a run's process sends, cut into frames: what it printed in a row comes as one, since it may be 100,000 lines/s.

The rest is parsed by the C of msgpack, or where it is long by the bounded decoder of the wire.
"""

from typing import Any

import msgpack

from orchestrator.process import frames
from orchestrator.process.frames import MAX_FRAME, PRINTED, TEXT, WireError

STREAM_AT = 4 + len(PRINTED)
TEXT_AT = STREAM_AT + 1
SIZE_AT = TEXT_AT + len(TEXT)
START_AT = SIZE_AT + 4
"""Where things stand in a frame of printed text (`orchestrator.process.frames`), its length included."""

LONGEST = 4096
"""Bytes of a frame whose contents can not become much, whatever they are."""


class FrameReader:
    """Makes frames of a stream of bytes; printed text keeps its place among them, as bytes."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._wanted = 4
        self.count = 0
        """How many frames there were so far, as they were sent."""

    def feed(self, data: bytes) -> list[tuple[str, dict[str, Any]]]:
        """The frames that these bytes complete; raises WireError, after which the stream can not be trusted."""
        if self._rest or len(data) < 4:
            self._rest += data
            if len(self._rest) < self._wanted:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        found: list[tuple[str, dict[str, Any]]] = []
        printed: list[bytes] = []
        at, end, stream, self._wanted = 0, len(data), 0, 4
        while end - at >= 4:
            size = int.from_bytes(data[at : at + 4], "big")
            if size > MAX_FRAME:
                raise WireError(f"expected a frame of at most {MAX_FRAME} bytes, got one of {size}")
            stop = at + 4 + size
            if stop > end:
                self._wanted = 4 + size
                break
            if data.startswith(PRINTED, at + 4) and data.startswith(TEXT, at + TEXT_AT):
                if data[at + STREAM_AT] != stream and printed:
                    found.append(text_of(stream, printed))
                stream = data[at + STREAM_AT]
                printed.append(printed_in(data, at, stop))
            else:
                if printed:
                    found.append(text_of(stream, printed))
                found.append(parse(data[at + 4 : stop]))
            at = stop
            self.count += 1
        if printed:
            found.append(text_of(stream, printed))
        self._rest += data[at:]
        return found


def text_of(stream: int, printed: list[bytes]) -> tuple[str, dict[str, Any]]:
    """One frame of all that was printed in a row, which is taken."""
    text = b"".join(printed)
    printed.clear()
    return "out", {"stream": stream, "text": text}


def printed_in(data: bytes, at: int, stop: int) -> bytes:
    """The text of the frame of printed text that stands there; raises WireError."""
    said = int.from_bytes(data[at + SIZE_AT : at + START_AT], "big")
    if said != stop - at - START_AT:
        raise WireError("expected a frame of printed text to hold one text")
    return data[at + START_AT : stop]


def parse(payload: bytes) -> tuple[str, dict[str, Any]]:
    """The kind and body of a frame's payload; raises WireError."""
    if len(payload) > LONGEST:
        return frames.parse(payload)
    try:
        kind, body = msgpack.unpackb(payload, max_ext_len=0)
    except (ValueError, TypeError) as error:
        raise WireError(f"expected a frame to be [kind, body]: {error}") from None
    if not isinstance(kind, str) or not isinstance(body, dict):
        raise WireError("expected a frame to be [kind, body]")
    return kind, body
