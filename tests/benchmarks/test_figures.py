"""The table says what was measured, how far it spread, what was wanted and whether it was reached."""

import pytest

from tests.benchmarks.figures import Figure, median, percentile, ratio, shown, table


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure(name="a", value=8, unit="ms", at_most=8), True),
        (Figure(name="a", value=8.01, unit="ms", at_most=8), False),
        (Figure(name="a", value=50, unit="runs/s", at_least=60), False),
        (Figure(name="a", value=50, unit="runs/s"), None),
    ],
)
def test_a_figure_knows_whether_its_target_is_met(figure, met):
    assert figure.met is met


def test_a_figure_of_repetitions_is_their_median_and_shows_the_lowest_and_the_highest():
    figure = median("latency", [5.0, 3.0, 40.0], "ms", at_most=8)
    assert (figure.value, figure.low, figure.high, figure.met) == (5.0, 3.0, 40.0, True)
    assert figure.cells() == ("latency", "5.00 ms", "3.00 … 40.0", "≤ 8.00 ms", "met", "")


def test_a_share_is_taken_in_each_turn():
    share = ratio("of the loop", [50, 10, 90], [100, 100, 100], at_least=0.4)
    assert (share.value, share.low, share.high) == (0.5, 0.1, 0.9)
    assert share.cells()[1:4] == ("0.50", "0.10 … 0.90", "≥ 0.40")


def test_the_table_shows_value_target_and_verdict():
    figures = [Figure(name="latency", value=41.5, unit="ms", at_most=40), Figure(name="RSS", value=1234, unit="kB")]
    head, first, second = table(figures).splitlines()
    assert head.split() == ["what", "value", "spread", "target", "note"]
    assert first.split() == ["latency", "41.5", "ms", "≤", "40.0", "ms", "NOT", "MET"]
    assert second.split() == ["RSS", "1,234", "kB"]
    assert table(figures, markdown=True).splitlines()[2].startswith("| latency | 41.5 ms |  | ≤ 40.0 ms | NOT MET |")


def test_numbers_have_the_digits_a_reader_can_use():
    assert [shown(value) for value in (0, 0.123, 9.876, 12.34, 123.4, 12345)] == [
        "0",
        "0.12",
        "9.88",
        "12.3",
        "123",
        "12,345",
    ]


def test_the_percentile_is_a_value_that_was_seen():
    assert percentile(list(range(100)), 0.95) == 95
    assert percentile([3.0, 1.0], 0.95) == 3.0
