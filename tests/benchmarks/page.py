"""Writes docs/benchmarks.md: the tables of a run between two markers; the text around them is written by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.figures import Figure, table
from tests.benchmarks.picture import picture

BEGIN, END = "<!-- figures: made by `make bench`, not by hand -->", "<!-- /figures -->"
PAGE, PICTURE = "benchmarks.md", "benchmarks.svg"
ALT = "Flow runs per second and milliseconds to the first line: Headgate, the physical limit and stock rq"

Sections = Mapping[str, Sequence[Figure]]


def write(folder: Path, sections: Sections, taken_on: str) -> None:
    """Put the figures of a run into the page and draw the picture beside it."""
    page = folder / PAGE
    page.write_text(with_figures(page.read_text(encoding="utf-8"), sections, taken_on), encoding="utf-8")
    drawn = [figure for figures in sections.values() for figure in figures if figure.whose]
    (folder / PICTURE).write_text(picture(drawn), encoding="utf-8")


def with_figures(text: str, sections: Sections, taken_on: str) -> str:
    """The page with other figures between its markers; raises ValueError when it has not one of each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"expected one line {BEGIN} and one line {END} in docs/{PAGE}: put them around the tables")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{figures_text(sections, taken_on)}{END}{rest.split(END)[1]}"


def figures_text(sections: Sections, taken_on: str) -> str:
    """What stands between the markers."""
    targets = [figure.met for figures in sections.values() for figure in figures if figure.met is not None]
    missed = [figure.name for figures in sections.values() for figure in figures if figure.met is False]
    verdict = f"{targets.count(True)} of {len(targets)} targets met{', not met:' if missed else '.'}"
    verdict += "".join(f"\n- {name}" for name in missed)
    head = f"\nTaken on: {taken_on}.\n\n{verdict}\n\n![{ALT}]({PICTURE})\n"
    tables = [f"\n### {title}\n\n{table(figures, markdown=True)}\n" for title, figures in sections.items()]
    return head + "".join(tables) + "\n"
