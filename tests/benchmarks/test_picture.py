"""The picture has a bar for each figure, as long as its value, in a file that is whole by itself."""

from xml.etree import ElementTree

from tests.benchmarks.figures import LIMIT, OURS, RQ, Figure, median
from tests.benchmarks.picture import LEFT, picture

SVG = "{http://www.w3.org/2000/svg}"
FIGURES = [
    Figure(name="bare fork loop", value=400, unit="runs/s", whose=LIMIT),
    median("warm", [-10, 200, 210], "runs/s", whose=OURS),
    Figure(name="rq < 1 worker", value=50, unit="runs/s", whose=RQ),
    Figure(name="warm", value=5, unit="ms", whose=OURS),
]


def drawn():
    """The picture as a tree."""
    return ElementTree.fromstring(picture(FIGURES))


def bars(kind):
    """Lengths of the bars of one kind; the small square of the legend is the first."""
    found = [float(bar.get("width")) for bar in drawn().iter(f"{SVG}rect") if bar.get("class") == kind]
    return found[1:]


def test_bars_of_one_unit_have_one_scale():
    assert bars("ours")[0] == bars("limit")[0] / 2 == bars("rq")[0] * 4


def test_every_unit_has_a_scale_of_its_own():
    assert bars("ours")[1] == bars("limit")[0]


def test_names_and_values_stand_beside_the_bars():
    texts = [text.text for text in drawn().iter(f"{SVG}text")]
    assert {"rq < 1 worker", "50.0 runs/s", "5.00 ms", "Milliseconds (shorter is better)"} <= set(texts)


def test_the_spread_is_a_line_that_never_runs_into_the_names():
    (line,) = drawn().iter(f"{SVG}path")
    begin, end = line.get("d").removeprefix("M").split("H")
    assert float(begin.split()[0]) == LEFT < float(end)


def test_it_is_readable_on_dark_pages_and_loads_nothing():
    text = picture(FIGURES)
    assert "prefers-color-scheme: dark" in text
    assert text.count("http") == 1  # the name of the format
