"""The proofs about a Redis that is killed or loses its power, with small numbers."""

import pytest

from tests.chaos.proof import Options, find


@pytest.mark.slow
def test_a_killed_redis_loses_nothing_with_strict_durability_and_without_what_an_fsync_held_back_at_most() -> None:
    """Whether an fsync runs at the moment of a kill is the machine's affair: the proof says so when one did."""
    proof = find("n07").prove(Options(seed=3, scale=0.1))
    assert proof.occurred["acknowledged runs lost, always"] == 0, proof.measured
    assert proof.met or proof.occurred["acknowledged runs lost, everysec"] > 0, proof.measured
    assert proof.occurred["kills of Redis while it was written to, always"] >= 3


@pytest.mark.slow
def test_a_loss_of_power_takes_the_last_moments_only_and_none_with_strict_durability() -> None:
    proof = find("n08").prove(Options(seed=3, scale=0.07))
    assert proof.met, proof.measured
    assert proof.occurred["acknowledged runs lost, normal"] > 0 and proof.occurred["power losses, strict"] >= 1
