"""Cutting a stream of bytes into lines of text; pure."""

MAX_LINE = 16 * 1024
"""Bytes of one line that are kept."""

LARGEST_CHARACTER = 4
"""Bytes of one character."""

CUT_MARK = " … [line cut at 16 KiB]"


class LineSplitter:
    """Makes lines out of chunks as they come from a pipe; one over `MAX_LINE` is cut with a mark, not dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that this chunk completes, without their line ends, undecodable bytes replaced."""
        whole, end, rest = chunk.rpartition(b"\n")
        lines: list[str] = []
        if end and not self._skipping:
            # No character goes beyond the end of a line, so that all can be decoded at once.
            text = (self._rest + whole).decode("utf-8", "replace")
            lines = text.split("\n")
            if max(map(len, lines)) <= MAX_LINE // LARGEST_CHARACTER:
                self._rest, end = b"", b""
                if "\r" in text:
                    lines = [line.removesuffix("\r") for line in lines]
            else:
                lines = []
        for piece in whole.split(b"\n") if end else ():
            if self._skipping:
                self._skipping = False
                continue
            lines.append(as_text(self._rest + piece if self._rest else piece))
            self._rest = b""
        if not self._skipping:
            self._rest += rest
            if len(self._rest) > MAX_LINE:
                lines.append(as_text(self._rest))
                self._rest, self._skipping = b"", True
        return lines

    def flush(self) -> list[str]:
        """What stands after the last line end, when nothing more will come."""
        rest, self._rest, self._skipping = self._rest, b"", False
        return [as_text(rest)] if rest else []


def as_text(line: bytes) -> str:
    """One line as text: cut at `MAX_LINE`, no carriage return at its end."""
    if len(line) > MAX_LINE:
        return line[:MAX_LINE].decode("utf-8", "replace") + CUT_MARK
    return line.removesuffix(b"\r").decode("utf-8", "replace")


def cut(text: str) -> str:
    """A line that came as text, cut like one that came as bytes."""
    if len(text) <= MAX_LINE // LARGEST_CHARACTER:
        return text
    raw = text.encode("utf-8", "replace")
    return as_text(raw) if len(raw) > MAX_LINE else text
