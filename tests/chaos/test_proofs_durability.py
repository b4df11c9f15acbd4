"""The proofs about a Redis that is killed or loses its power, with small numbers."""

import pytest

from tests.chaos.proof import Options, find


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_with_a_killed_redis_and_it_is_back_in_three_seconds() -> None:
    proof = find("n07").prove(Options(seed=3, scale=0.05))
    assert proof.met, proof.measured
    assert proof.occurred["kills between two acknowledged writes"] >= 3


@pytest.mark.slow
def test_a_loss_of_power_takes_the_last_moments_only_and_none_with_strict_durability() -> None:
    proof = find("n08").prove(Options(seed=3, scale=0.07))
    assert proof.met, proof.measured
    assert proof.occurred["acknowledged runs lost, normal"] > 0 and proof.occurred["power losses, strict"] >= 1
