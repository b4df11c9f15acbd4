"""The proofs of the protocol at a small scale."""

from __future__ import annotations

import pytest

from tests.chaos.proof import Options, find


@pytest.mark.slow
def test_real_processes_that_die_break_no_promise() -> None:
    proof = find("n01").prove(Options(seed=1, scale=0.04))
    assert "all 0 in" in proof.measured, proof.measured
    assert proof.occurred["leases expired"] > 0
    assert proof.occurred["calls sent again"] > 0


@pytest.mark.slow
def test_the_checker_sees_every_mistake_and_only_mistakes() -> None:
    proof = find("n15").prove(Options(seed=1, scale=0.05))
    assert proof.met, proof.measured
