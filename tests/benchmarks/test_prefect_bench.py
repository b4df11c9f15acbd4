"""What needs no Prefect of the comparison with it: our own figures, and what processes take."""

import os

from tests.benchmarks import page, prefect_bench
from tests.benchmarks.figures import OURS, Figure


def test_our_own_figure_is_the_one_of_the_page(tmp_path, monkeypatch):
    figures = [Figure(name="cold, 4 slots", value=61.5, unit="runs/s", whose=OURS)]
    (tmp_path / page.PAGE).write_text(page.figures_text({"Throughput": figures}, "a machine"))
    monkeypatch.setattr(prefect_bench, "PAGE", tmp_path / page.PAGE)
    assert prefect_bench.ours("cold, 4 slots") == "Headgate: 61.5 runs/s"
    assert prefect_bench.ours("cold") == ""


def test_the_memory_of_a_session_is_that_of_its_processes():
    mine = prefect_bench.session(os.getsid(0))
    assert os.getpid() in mine
    assert prefect_bench.megabytes(os.getpid()) > 5
