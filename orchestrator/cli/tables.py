"""How the lines of a table fit a terminal: what gives way first, so that what people type again stays whole; pure.

In this order, each only as far as it takes: ids become their first 8 characters, columns that are less needed go, times
of today lose their date, the id goes where there is a name, sentences are cut, then the widest names, then titles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

ABSENT = "-"
ELLIPSIS = "…"
NARROWEST = 8
LONGEST_NAME = 20
"""The name of a run is no longer; a wider column of names can lose something."""
ENOUGH, LITTLE = 24, 16
"""So much of a sentence is worth more than a column that is less needed, and than the end of a name."""
TOLD_APART = 14
"""So much of a name tells of what kind a thing is; what people type again needs more."""
TYPED_AGAIN = ("Name", "Held By", "Late Run", "Last Failure")
LONGEST_WORD = 10
"""As long as a state."""
LONGEST_FIGURE = 30
"""No time is as long, and no duration."""
TIME = " Time"
"""The end of a title that says nothing new above short times."""
Lines = list[list[str]]


def laid_out(lines: Lines, brief: Callable[[], Lines], room: int, optional: Sequence[str] = ()) -> Lines:
    """The cells of a table, titles first, cut so that its lines fit `room`; `brief` gives them with short times."""
    kept = [place for place, _ in enumerate(lines[0])]
    if total(widths_of(lines, kept, whole=True)) <= room:
        return lines
    for title in (*optional, TIME, "ID"):
        if total(widths_of(lines, kept, most=ENOUGH)) <= room:
            break
        if title == TIME:
            lines = shortened(brief(), lines)
        elif title == "ID" and "Name" not in lines[0]:
            continue
        else:
            kept = [place for place in kept if lines[0][place] != title]
    widths = fitted(lines, kept, room)
    return [[cut(line[place], width) for place, width in zip(kept, widths, strict=True)] for line in lines]


def shortened(brief: Lines, lines: Lines) -> Lines:
    """The lines with short times, and without the word in titles above them."""
    times = [column(brief, place) != column(lines, place) for place, _ in enumerate(lines[0])]
    heads = [head.removesuffix(TIME) if short else head for head, short in zip(lines[0], times, strict=True)]
    return [heads, *brief[1:]]


def column(lines: Lines, place: int) -> list[str]:
    """The cells of one column."""
    return [line[place] for line in lines]


def widths_of(lines: Lines, kept: Iterable[int], *, whole: bool = False, most: int | None = None) -> list[int]:
    """Column widths: of ids the short ones unless `whole`, and of sentences at most so much."""
    return [width_of(column(lines, place), whole, most) for place in kept]


def width_of(cells: Sequence[str], whole: bool, most: int | None) -> int:
    """The width of one column."""
    widest = max(map(len, cells))
    if not whole and is_ids(cells):
        return max(NARROWEST, len(cells[0]))
    return max(min(widest, most), len(cells[0])) if most and is_prose(cells) else widest


def fitted(lines: Lines, kept: Sequence[int], room: int) -> list[int]:
    """Column widths that fit `room`: the widest gives way, sentences before names, and titles last."""
    columns = [column(lines, place) for place in kept]
    widths = [min(width, room) for width in widths_of(lines, kept)]
    heads = [len(cells[0]) for cells in columns]
    for prose, name in ((ENOUGH, room), (ENOUGH, LONGEST_NAME), (LITTLE, TOLD_APART), (NARROWEST, LONGEST_WORD)):
        least = [least_of(cells, prose, name) for cells in columns]
        widths = narrowed(widths, [max(low, head) for low, head in zip(least, heads, strict=True)], room)
    widths = narrowed(widths, [least_of(cells, NARROWEST, NARROWEST) for cells in columns], room)
    return narrowed(widths, [NARROWEST for _ in columns], room)


def least_of(cells: Sequence[str], prose: int, name: int) -> int:
    """How narrow a column may become: half a number or time says something else."""
    if is_figures(cells):
        return max(NARROWEST, *map(len, cells[1:]))
    if is_prose(cells):
        return prose
    return max(name, LONGEST_NAME) if cells[0] in TYPED_AGAIN else name


def narrowed(widths: list[int], least: Sequence[int], room: int) -> list[int]:
    """The widths, the widest of those that can give way made narrower until they fit or none can."""
    widths = list(widths)
    while total(widths) > room:
        loose = [place for place, width in enumerate(widths) if width > least[place]]
        if not loose:
            break
        widths[max(loose, key=lambda place: widths[place])] -= 1
    return widths


def total(widths: Sequence[int]) -> int:
    """The width of a line with two spaces between columns."""
    return sum(widths) + 2 * (len(widths) - 1)


def is_prose(cells: Sequence[str]) -> bool:
    """Whether a column holds sentences, of which the beginning says enough."""
    return any(" " in text for text in cells[1:]) and not is_figures(cells)


def is_figures(cells: Sequence[str]) -> bool:
    """Whether a column holds nothing but numbers, times and durations."""
    return len(cells) > 1 and all(
        text == ABSENT or (text[:1].isdigit() and len(text) < LONGEST_FIGURE) for text in cells[1:]
    )


def is_ids(cells: Sequence[str]) -> bool:
    """Whether a column holds nothing but ids."""
    return len(cells) > 1 and all(is_id(text) or text == ABSENT for text in cells[1:])


def is_id(text: str) -> bool:
    """Whether a cell is a whole uuid: its first 8 characters name the same thing."""
    return len(text) == 36 and text.count("-") == 4 and " " not in text


def cut(text: str, width: int) -> str:
    """The text at `width` characters."""
    if len(text) <= width:
        return text
    return text[:NARROWEST] if is_id(text) else text[: width - 1] + ELLIPSIS


def aligned(cells: Sequence[str], widths: Sequence[int], paint: Callable[[str], str] = str) -> str:
    """One line of a table."""
    return "  ".join(paint(text.ljust(width)) for text, width in zip(cells, widths, strict=True)).rstrip()
