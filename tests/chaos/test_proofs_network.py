"""The proof about cut networks, at a small scale: it is met, the situations occurred, and nothing is left behind."""

import os
import subprocess

import pytest

from tests.chaos.proof import Options, run
from tests.support.network_namespaces import PREFIX, why_not


@pytest.mark.slow
def test_agents_cut_off_overlap_nobody_and_an_outage_kills_nothing():
    if reason := why_not():
        pytest.skip(f"no network namespaces here: {reason}")
    row, proof = run("n14", Options(seed=1, scale=0.06))
    assert proof.met, row
    assert proof.occurred["runs taken over"] >= 4
    mine = f"{PREFIX}{os.getpid()}"
    shown = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    shown += subprocess.run(["ip", "link"], capture_output=True, text=True).stdout
    assert mine not in shown
