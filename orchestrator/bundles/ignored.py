"""The lines of an ignore file, as gitignore has them: which paths they mean; pure."""

import re
from dataclasses import dataclass

NEVER = "(?!)"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line: what it matches, whether folders alone, and whether it takes paths back in."""

    pattern: re.Pattern[str]
    folders_only: bool
    brings_back: bool


@dataclass(frozen=True)
class Ignored:
    """The lines of a file, of which the last that matches a path decides."""

    lines: tuple[Line, ...] = ()

    @classmethod
    def of(cls, text: str) -> "Ignored":
        """Read the text of an ignore file."""
        return cls(tuple(line for raw in text.splitlines() if (line := line_of(raw)) is not None))

    def takes(self, path: str, *, folder: bool) -> bool:
        """Whether a path is ignored, leaving the folders above it to whoever asks: what is in an ignored one is too."""
        for line in reversed(self.lines):
            if (folder or not line.folders_only) and line.pattern.fullmatch(path):
                return not line.brings_back
        return False


def line_of(raw: str) -> Line | None:
    """One line; None for a comment and an empty one."""
    text = without_trailing_blanks(raw)
    if not text or text.startswith("#"):
        return None
    brings_back = text.startswith("!")
    text = text[brings_back:]
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    if not text:
        return None
    anchored = "/" in text
    try:
        pattern = re.compile(("" if anchored else "(?:.*/)?") + regex(text.removeprefix("/")), re.DOTALL)
    except re.error:  # a range such as [z-a]
        pattern = re.compile(NEVER)
    return Line(pattern=pattern, folders_only=folders_only, brings_back=brings_back)


def without_trailing_blanks(raw: str) -> str:
    """A line without the blanks at its end, but for one that a backslash keeps."""
    text = raw.rstrip(" ")
    escapes = len(text) - len(text.rstrip("\\"))
    return text + " " if escapes % 2 and len(text) < len(raw) else text


def regex(glob: str) -> str:
    """A pattern of gitignore as one of `re`, for whole paths."""
    made, at = "", 0
    while at < len(glob):
        part, at = next_part(glob, at)
        made += part
    return made


def next_part(glob: str, at: int) -> tuple[str, int]:
    """The translation of what begins at a place, and the place after it."""
    starts = at == 0 or glob[at - 1] == "/"
    if starts and glob.startswith("**/", at):
        return "(?:.*/)?", at + 3
    if starts and glob[at:] == "**":
        return ".+", at + 2
    letter = glob[at]
    if letter == "*":
        stars = len(glob) - at - len(glob[at:].lstrip("*"))
        return "[^/]*", at + stars
    if letter == "?":
        return "[^/]", at + 1
    if letter == "[":
        return letter_class(glob, at)
    if letter == "\\":
        return (re.escape(glob[at + 1]), at + 2) if at + 1 < len(glob) else (NEVER, at + 1)
    return re.escape(letter), at + 1


def letter_class(glob: str, at: int) -> tuple[str, int]:
    """`[a-z]`, `[!a-z]`; never a slash. One that is not closed matches nothing."""
    inside = at + 1
    negated = glob.startswith(("!", "^"), inside)
    inside += negated
    letters, now = [], inside
    while now < len(glob) and (glob[now] != "]" or now == inside):
        now += glob[now] == "\\"
        if now < len(glob):
            plain_dash = glob[now] == "-" and glob[now - 1] != "\\"
            letters.append("-" if plain_dash else re.escape(glob[now]))
        now += 1
    if now >= len(glob):
        return NEVER, len(glob)
    return f"(?!/)[{'^' if negated else ''}{''.join(letters)}]", now + 1
