"""sys.stdout and sys.stderr of a flow's process: each line a frame, in exact order with what is logged.

Descriptors 1 and 2 stay what they were, pipes to the agent: C code, subprocesses and forked children write there.
"""

import _thread
import codecs
import io
import os
import sys

from orchestrator.process.frames import PRINTED, TEXT
from orchestrator.process.link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _typeshed import ReadableBuffer

_PIECE = 256 * 1024
_ENCODING = "utf-8"


class FrameStream(io.BufferedIOBase):
    """A binary stream whose writes become `out` frames at once; it answers as descriptor 1 or 2.

    It keeps nothing back itself: a buffer that is interrupted in its flush would send the same line twice.
    """

    def __init__(self, link: Link, number: int) -> None:
        self._link = link
        self._number = number
        self._decode = codecs.utf_8_decode
        self._rest = b""
        # The head of every frame of this stream, encoded once.
        self._head = PRINTED + bytes((number,)) + TEXT
        self._around = len(self._head) + 4
        self._guard = _thread.allocate_lock()
        os.register_at_fork(after_in_child=self._forked)

    def write(self, data: "ReadableBuffer") -> int:
        """Send the bytes as text at once; what is not UTF-8 becomes backslash escapes, a cut character waits."""
        given = bytes(data)
        if not self._link.open:
            return os.write(self._number, given)
        with self._guard:
            raw = self._rest + given
            try:
                used = self._decode(raw, "strict", False)[1]
                whole = raw[:used]
            except UnicodeDecodeError:
                text, used = self._decode(raw, "backslashreplace", False)
                whole = text.encode()
            self._rest = raw[used:]
        for start in range(0, len(whole), _PIECE):
            piece = whole[start : start + _PIECE]
            size, inner = len(piece) + self._around, len(piece)
            self._link.send_bytes(size.to_bytes(4, "big") + self._head + inner.to_bytes(4, "big") + piece)
        return len(given)

    def _forked(self) -> None:
        self._guard = _thread.allocate_lock()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return False


def redirect(link: Link) -> None:
    """Put frame streams in the place of sys.stdout and sys.stderr, unless they are there already."""
    if getattr(getattr(sys.stdout, "buffer", None), "_link", None) is link:
        return
    for number, name in ((1, "stdout"), (2, "stderr")):
        buffer: Any = FrameStream(link, number)
        errors = "strict" if number == 1 else "backslashreplace"
        stream = io.TextIOWrapper(buffer, encoding=_ENCODING, errors=errors, line_buffering=True)
        stream.mode = "w"  # type: ignore[misc]
        setattr(sys, name, stream)
        # Through this name too: the original would keep what is written to it in a buffer of its own.
        setattr(sys, f"__{name}__", stream)


def flush() -> None:
    """Send what is still unfinished of the last lines, also of a stream the user has put in place of ours."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except Exception:  # a stream the user closed or replaced: nothing of it can be lost any more
            continue
