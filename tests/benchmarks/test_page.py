"""The page keeps what is written by hand and gets the figures of the run between its markers."""

import pytest

from tests.benchmarks import page
from tests.benchmarks.figures import OURS, Figure
from tests.rules.source_files import ROOT

FAST = Figure(name="warm", value=300, unit="runs/s", at_least=200, whose=OURS)
SLOW = Figure(name="cold", value=30, unit="runs/s", at_least=200, whose=OURS)
TEXT = f"# By hand\n\n{page.BEGIN}\nold\n{page.END}\n\nalso by hand\n"


def test_only_what_stands_between_the_markers_is_replaced():
    text = page.with_figures(TEXT, {"Throughput": [FAST]}, "a machine")
    assert text.startswith("# By hand\n") and text.endswith("\n\nalso by hand\n")
    assert "old" not in text and "Taken on: a machine." in text
    assert "### Throughput" in text and "| warm | 300 runs/s |" in text


def test_writing_twice_is_the_same_as_writing_once():
    once = page.with_figures(TEXT, {"Throughput": [FAST]}, "a machine")
    assert page.with_figures(once, {"Throughput": [FAST]}, "a machine") == once


def test_the_verdict_names_what_was_missed():
    assert "2 of 2 targets met." in page.figures_text({"a": [FAST, FAST]}, "a machine")
    assert "1 of 2 targets met, not met:\n- cold\n" in page.figures_text({"a": [FAST], "b": [SLOW]}, "a machine")


@pytest.mark.parametrize("text", ["", f"{page.BEGIN}\n", f"{page.END}\n", TEXT + TEXT])
def test_a_page_without_one_pair_of_markers_is_refused(text):
    with pytest.raises(ValueError, match="expected one line"):
        page.with_figures(text, {}, "a machine")


def test_the_picture_is_written_beside_the_page(tmp_path):
    (tmp_path / page.PAGE).write_text(TEXT)
    page.write(tmp_path, {"Throughput": [FAST]}, "a machine")
    assert f"]({page.PICTURE})" in (tmp_path / page.PAGE).read_text()
    assert (tmp_path / page.PICTURE).read_text().startswith("<svg")


def test_the_page_of_the_repository_has_the_markers():
    text = (ROOT / "docs" / page.PAGE).read_text()
    assert page.with_figures(text, {}, "a machine")
