"""The wire between a flow's process and its agent: frames over a socketpair, and the codec inside them.

A frame is a 4-byte big-endian length and a msgpack array ``[kind, body]``, body being a map with text keys.
The codec is a subset of msgpack (None, bool, int, float, str, bytes, list, dict) written here because importing
the msgpack library would cost a flow's process a third of a bare interpreter's whole start. Doubles go through a
memoryview for the same reason: the struct module is a shared object that is not loaded yet.
"""

import os
import sys

VERSION = 1
MAX_FRAME = 8 * 1024 * 1024
MAX_DEPTH = 64
MAX_ITEMS = 600_000

PRINTED = b"\x92\xa3out\x82\xa6stream"
TEXT = b"\xa4text\xdb"
"""Printed text: PRINTED, the number of its stream (one byte), TEXT, how many bytes it has (four bytes), the bytes."""

_LITTLE = sys.byteorder == "little"
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_UNSIGNED = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_SIGNED = {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}


class WireError(ValueError):
    """The bytes on the wire are not a frame of this version: truncated, too large, too deep, or of an unknown type."""


def frame(kind: str, body: dict[str, object]) -> bytes:
    """One frame, ready to be written; raises WireError when it would exceed MAX_FRAME, TypeError on a foreign type."""
    out = bytearray(4)
    _put(out, [kind, body], 0)
    size = len(out) - 4
    if size > MAX_FRAME:
        raise WireError(f"expected a frame of at most {MAX_FRAME} bytes, got {size} ({kind})")
    out[:4] = size.to_bytes(4, "big")
    return bytes(out)


def parse(payload: bytes) -> tuple[str, dict[str, object]]:
    """The kind and body of a frame's payload (without its length); raises WireError."""
    match unpack(payload):
        case [str(kind), dict(body)]:
            return kind, body
    raise WireError("expected a frame to be [kind, body]")


def write_frame(fd: int, kind: str, body: dict[str, object]) -> None:
    """Write a whole frame to a blocking descriptor; raises OSError when the other side is gone."""
    write_all(fd, frame(kind, body))


def write_all(fd: int, data: bytes) -> None:
    """Write every byte to a blocking descriptor."""
    sent = os.write(fd, data)
    while sent < len(data):
        data = data[sent:]
        sent = os.write(fd, data)


def read_frame(fd: int) -> tuple[str, dict[str, object]] | None:
    """The next frame of a blocking descriptor, or None when the other side closed it between two frames."""
    head = _read_exactly(fd, 4)
    if not head:
        return None
    size = int.from_bytes(head, "big")
    if len(head) < 4 or size > MAX_FRAME:
        raise WireError(f"expected a frame of at most {MAX_FRAME} bytes, got a head of {len(head)} bytes saying {size}")
    payload = _read_exactly(fd, size)
    if len(payload) < size:
        raise WireError(f"expected {size} bytes of frame, got {len(payload)} and the end")
    return parse(payload)


def _read_exactly(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = os.read(fd, size - len(data))
        if not chunk:
            break
        data += chunk
    return data


class Splitter:
    """Cuts a stream of bytes, as read from a non-blocking socket, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[str, dict[str, object]]]:
        """The frames completed by these bytes; raises WireError, after which the stream can not be trusted."""
        buffer = self._buffer
        buffer += data
        frames = []
        at = 0
        while len(buffer) - at >= 4:
            size = int.from_bytes(buffer[at : at + 4], "big")
            if size > MAX_FRAME:
                raise WireError(f"expected a frame of at most {MAX_FRAME} bytes, got one of {size}")
            if len(buffer) - at - 4 < size:
                break
            frames.append(parse(bytes(buffer[at + 4 : at + 4 + size])))
            at += 4 + size
        del buffer[:at]
        return frames

    @property
    def pending(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return len(self._buffer)


def pack(value: object) -> bytes:
    """A value as msgpack bytes; raises TypeError for a foreign type, WireError for one too deep or too big."""
    out = bytearray()
    _put(out, value, 0)
    return bytes(out)


def _put(out: bytearray, value: object, depth: int) -> None:
    if isinstance(value, str):
        # Text that is not Unicode (lone surrogates) is written with backslashes: a log line must never fail.
        raw = value.encode("utf-8", "backslashreplace")
        _head(out, len(raw), 0xA0, 32, (0xD9, 0xDA, 0xDB))
        out += raw
    elif value is None:
        out.append(0xC0)
    elif value is True or value is False:
        out.append(0xC3 if value else 0xC2)
    elif isinstance(value, int):
        _put_int(out, value)
    elif isinstance(value, float):
        out.append(0xCB)
        out += double(value)
    elif isinstance(value, bytes):
        _head(out, len(value), 0, 0, (0xC4, 0xC5, 0xC6))
        out += value
    else:
        _put_container(out, value, depth)


def _put_container(out: bytearray, value: object, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise WireError(f"expected at most {MAX_DEPTH} levels, got more")
    if isinstance(value, dict):
        _head(out, len(value), 0x80, 16, (0, 0xDE, 0xDF))
        for key, item in value.items():
            _put(out, key, depth + 1)
            _put(out, item, depth + 1)
    elif isinstance(value, list | tuple):
        _head(out, len(value), 0x90, 16, (0, 0xDC, 0xDD))
        for item in value:
            _put(out, item, depth + 1)
    else:
        raise TypeError(f"expected a value that fits the wire, got {type(value).__name__}")


def _head(out: bytearray, size: int, fixed: int, fixed_below: int, codes: tuple[int, int, int]) -> None:
    if size < fixed_below:
        out.append(fixed | size)
    elif size < 0x100 and codes[0]:
        out += bytes((codes[0], size))
    elif size < 0x10000:
        out.append(codes[1])
        out += size.to_bytes(2, "big")
    else:
        out.append(codes[2])
        out += size.to_bytes(4, "big")


def _put_int(out: bytearray, value: int) -> None:
    if -32 <= value < 128:
        out.append(value & 0xFF)
        return
    if not -(1 << 63) <= value < 1 << 64:
        raise WireError(f"expected an integer of at most 64 bits, got one of {value.bit_length()}")
    for code, size in (_UNSIGNED if value >= 0 else _SIGNED).items():
        if value >> (8 * size - (value < 0)) in (0, -1):
            out.append(code)
            out += value.to_bytes(size, "big", signed=value < 0)
            return


def double(value: float) -> bytes:
    """The eight bytes of a float on the wire."""
    cell = bytearray(8)
    memoryview(cell).cast("d")[0] = value
    return bytes(reversed(cell)) if _LITTLE else bytes(cell)


def unpack(data: bytes) -> object:
    """The value in msgpack bytes, with bounds on depth and number of items; raises WireError."""
    decoder = _Decoder(data)
    value = decoder.value(0)
    if decoder.at != len(data):
        raise WireError(f"expected the value to end at byte {decoder.at}, got {len(data)} bytes")
    return value


class _Decoder:
    """A cursor over msgpack bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.items = 0

    def take(self, size: int) -> bytes:
        start, self.at = self.at, self.at + size
        if self.at > len(self.data):
            raise WireError(f"expected {size} more bytes at {start}, got {len(self.data) - start}")
        return self.data[start : self.at]

    def value(self, depth: int) -> object:
        code = self.take(1)[0]
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 0x100
        if code < 0xC0:
            return self.short(code, depth)
        if code in _SIZED:
            return self.sized(code, int.from_bytes(self.take(_SIZED[code]), "big"), depth)
        if code in _UNSIGNED:
            return int.from_bytes(self.take(_UNSIGNED[code]), "big")
        if code in _SIGNED:
            return int.from_bytes(self.take(_SIGNED[code]), "big", signed=True)
        if code == 0xC0:
            return None
        if code in (0xC2, 0xC3):
            return code == 0xC3
        if code == 0xCB:
            raw = self.take(8)
            return memoryview(raw[::-1] if _LITTLE else raw).cast("d")[0]
        raise WireError(f"expected a value of the wire, got type byte {code:#04x}")

    def short(self, code: int, depth: int) -> object:
        if code >= 0xA0:
            return self.text(code & 0x1F)
        return self.map(code & 0x0F, depth) if code < 0x90 else self.array(code & 0x0F, depth)

    def sized(self, code: int, size: int, depth: int) -> object:
        if code <= 0xC6:
            return self.take(size)
        if code <= 0xDB:
            return self.text(size)
        return self.array(size, depth) if code <= 0xDD else self.map(size, depth)

    def text(self, size: int) -> str:
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise WireError(f"expected text in UTF-8, got {error.reason}") from None

    def array(self, size: int, depth: int) -> list[object]:
        self.count(size, depth)
        return [self.value(depth + 1) for _ in range(size)]

    def map(self, size: int, depth: int) -> dict[object, object]:
        self.count(2 * size, depth)
        result: dict[object, object] = {}
        for _ in range(size):
            key = self.value(depth + 1)
            if not isinstance(key, str | int):
                raise WireError(f"expected a map key to be text or a number, got {type(key).__name__}")
            result[key] = self.value(depth + 1)
        return result

    def count(self, size: int, depth: int) -> None:
        # Counted before anything is built: a megabyte of empty containers would otherwise become a hundred of objects.
        self.items += size
        if self.items > MAX_ITEMS or self.at + size > len(self.data) or depth >= MAX_DEPTH:
            raise WireError(f"expected at most {MAX_ITEMS} items and {MAX_DEPTH} levels that are there, got more")
