"""What goes to stdout: JSON for programs, tab-separated text for pipes, aligned tables for people.

Commands hand over the client's frozen values, whose field names are the JSON keys; this file decides how they look.
Text that came from elsewhere (names, reasons, log lines) is shown with its control characters escaped.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TextIO

from orchestrator.cli.moments import briefly, here_in, local, rfc3339
from orchestrator.cli.tables import ABSENT, Lines, aligned, laid_out

FORMS = ("text", "json", "jsonl")
BOLD, RESET = "\x1b[1m", "\x1b[0m"
COLOURS = {
    **dict.fromkeys(("completed", "created", "ready", "unchanged"), "\x1b[32m"),
    **dict.fromkeys(("running", "pending", "queued", "scheduled", "awaitingretry", "updated"), "\x1b[36m"),
    **dict.fromkeys(("cancelled", "cancelling", "paused", "draining", "stopping", "late", "full", "note"), "\x1b[33m"),
    **dict.fromkeys(("failed", "crashed", "poison", "timedout", "lost", "gone", "no agent", "problem"), "\x1b[31m"),
}
# C0, DEL, C1, and the marks that reorder text or hide it.
HOSTILE = [*range(32), *range(127, 160), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
COLOUR_CODE = re.compile("\x1b\\[[0-9;:]*m")
VISIBLE = {code: repr(chr(code))[1:-1] for code in HOSTILE}
VISIBLE_JSON = {code: f"\\u{code:04x}" for code in HOSTILE if code >= 127}
VISIBLE_LINE = {code: text for code, text in VISIBLE.items() if chr(code) != "\t"}
VISIBLE_LINES = {code: text for code, text in VISIBLE_LINE.items() if chr(code) != "\n"}

Columns = Mapping[str, str | Callable[[Any], Any]]
"""What a table shows: title → field, or title → a function of the row."""


class Output:
    """Prints rows and records in the form that `-o` asks for; anything that is not data goes to stderr."""

    def __init__(self, form: str = "text", stream: TextIO | None = None) -> None:
        self.form = form
        self.stream = stream if stream is not None else sys.stdout
        self.terminal = form == "text" and self.stream.isatty()
        self.coloured = self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.width = shutil.get_terminal_size((100, 24)).columns
        self.day = ""
        """The day that was said last, of times of day that follow."""

    def rows(self, rows: Sequence[Any], columns: Columns, *, empty: str, optional: Sequence[str] = ()) -> None:
        """Prints a list; JSON holds every field of every row. `empty` is said when there is none.

        A terminal that is too narrow does not show the `optional` columns, the first ones first.
        """
        if self.form == "text":
            if not rows:
                self.note(empty)
            if rows or not self.terminal:
                self.table(rows, columns, optional)
        elif self.form == "jsonl":
            for row in rows:
                self.line(as_json(row))
        else:
            self.line(as_json(list(rows), indent=2))

    def record(self, record: Any) -> None:
        """Prints one thing whole: a line per field, then lists of things as tables of their own."""
        if self.form != "text":
            self.json(record)
            return
        fields = fields_of(record)
        tables = {name: value for name, value in fields.items() if is_table(value)}
        blocks = {name: value for name, value in fields.items() if self.terminal and is_block(value)}
        simple = {title(name): self.cell(value) for name, value in fields.items() if name not in {**tables, **blocks}}
        widest = max(map(len, simple), default=0)
        for name, text in simple.items():
            self.line(f"{self.bold(name.ljust(widest))}  {self.painted(text)}" if self.terminal else f"{name}\t{text}")
        for name, text in blocks.items():
            self.line(f"\n{self.bold(title(name))}")
            self.line("\n".join(visible_line(line) for line in text.rstrip().splitlines()))
        for name, rows in tables.items():
            self.section(title(name), rows, {title(key): key for key in fields_of(rows[0])})

    def section(self, head: str, rows: Sequence[Any], columns: Columns, optional: Sequence[str] = ()) -> None:
        """Prints a table under a headline, below a record; nothing when there is nothing to say there."""
        if rows:
            self.line(f"\n{self.bold(head)}")
            self.table(rows, columns, optional)

    def done(self, record: Any, sentence: str) -> None:
        """Prints the result of a change: a sentence for people, the changed thing for programs."""
        if self.form == "text":
            self.line(told(sentence.translate(VISIBLE_LINES), self.stream))
        else:
            self.json(record)

    def values(self, values: Sequence[str]) -> None:
        """Prints plain values: one per line, or a JSON list."""
        if self.form == "json":
            self.line(as_json(values, indent=2))
        for value in values if self.form != "json" else ():
            self.line(as_json(value) if self.form == "jsonl" else value.translate(VISIBLE))

    def json(self, record: Any) -> None:
        """Prints one JSON value: indented, or on one line for `jsonl`."""
        self.line(as_json(record, indent=2 if self.form == "json" else None))

    def line(self, text: str) -> None:
        """Writes one line of data, at once when somebody watches."""
        self.stream.write(text + "\n")
        if self.terminal:
            self.stream.flush()

    def paragraph(self, head: str, rest: str, paint: Callable[[str], str] | None = None) -> None:
        """Prints what is said of something, that first, in bold or as `paint` has it; wrapped for people."""
        first, *others = self.wrapped(head + rest)
        self.line("\n".join([(paint or self.bold)(head) + first.removeprefix(head), *others]))

    def wrapped(self, text: str) -> list[str]:
        """The lines of a paragraph on a terminal, broken between words so that a name can be copied; else the text."""
        if not self.terminal:
            return [text]
        import textwrap

        wrapper = textwrap.TextWrapper(subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        wrapper.width = max(self.width, 20)
        return wrapper.wrap(text) or [""]

    def raw(self, data: bytes) -> None:
        """Writes data as it is."""
        self.stream.flush()
        self.stream.buffer.write(data)

    def flush(self) -> None:
        """Hands everything written so far to the reader."""
        self.stream.flush()

    def note(self, text: str) -> None:
        """Says something that is not data, on stderr."""
        self.stream.flush()
        print(told(text.translate(VISIBLE_LINES), sys.stderr), file=sys.stderr, flush=True)

    def table(self, rows: Sequence[Any], columns: Columns, optional: Sequence[str] = ()) -> None:
        """Prints rows under titles: aligned and cut to the width of a terminal, whole and tab-separated elsewhere."""
        lines = self._lines(rows, columns)
        if not self.terminal:
            for line in lines:
                self.line("\t".join(line))
            return
        lines = laid_out(lines, lambda: self._lines(rows, columns, brief=True), self.width, optional)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        self.line(self.bold(aligned(lines[0], widths)))
        for line in lines[1:]:
            self.line(aligned(line, widths, self.painted))

    def _lines(self, rows: Sequence[Any], columns: Columns, *, brief: bool = False) -> Lines:
        cells = [[self.cell(value_of(row, source), brief=brief) for source in columns.values()] for row in rows]
        return [[self.cell(head) for head in columns], *cells]

    def cell(self, value: Any, *, brief: bool = False) -> str:
        """One value as text; a person gets times, also those in sentences, by the clock of this machine.

        `brief` is for a table without room: a time of today then has no date.
        """
        if value is None or value == "" or value == () or value == []:
            return ABSENT
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, datetime):
            return (briefly(value) if brief else local(value)) if self.terminal else rfc3339(value)
        if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
            value = ", ".join(value)
        if isinstance(value, list | tuple | Mapping):
            value = as_json(value)
        if isinstance(value, float):
            value = f"{value:g}"
        text = str(value).translate(VISIBLE)
        return here_in(text) if self.terminal else text

    def painted(self, text: str) -> str:
        """The text in the colour of the state it names, if it names one."""
        colour = COLOURS.get(text.strip().lower()) if self.coloured else None
        return f"{colour}{text}{RESET}" if colour else text

    def bold(self, text: str) -> str:
        """The text in bold where the terminal can."""
        return f"{BOLD}{text}{RESET}" if self.coloured else text


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON with times in RFC 3339; letters beyond ASCII stay readable, what could control a terminal is escaped."""
    import json

    return json.dumps(value, indent=indent, default=plain, ensure_ascii=False).translate(VISIBLE_JSON)


def plain(value: Any) -> Any:
    """What JSON has no form for: the client's values know theirs, times become text, anything else its own text."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if isinstance(value, Mapping):
        return dict(value)
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def fields_of(record: Any) -> Mapping[str, Any]:
    """The fields of one of the client's values, or of a plain mapping, in their order."""
    if isinstance(record, Mapping):
        return record
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def value_of(row: Any, source: str | Callable[[Any], Any]) -> Any:
    """What a table shows of a row in one column."""
    if callable(source):
        return source(row)
    return row[source] if isinstance(row, Mapping) else getattr(row, source)


def title(name: str) -> str:
    """`state_history` as a heading: `State history`; abbreviations stay in capitals."""
    words = [word.upper() if word in ("id", "pid", "url", "rq", "rss", "cpu") else word for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def is_table(value: Any) -> bool:
    """Whether a value is a list of things that have the same fields."""
    if not isinstance(value, list | tuple) or not value:
        return False
    if all(hasattr(row, "__dataclass_fields__") for row in value):
        return True
    return all(isinstance(row, Mapping) and row and row.keys() == value[0].keys() for row in value)


def is_block(value: Any) -> bool:
    """Whether a value is text of several lines, such as a traceback."""
    return isinstance(value, str) and "\n" in value.rstrip()


def told(text: str, stream: TextIO) -> str:
    """A sentence as it is said there: people get its times by the clock of this machine."""
    return here_in(text) if stream.isatty() else text


def visible_line(text: str) -> str:
    """A log line with its control characters escaped; tabs stay, and colours go without a trace."""
    return COLOUR_CODE.sub("", text).translate(VISIBLE_LINE)
