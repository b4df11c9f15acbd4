"""The proof about what agents cost Redis, with a small share of its numbers."""

import pytest

from tests.chaos.proof import Options
from tests.chaos.proofs import n20_idle_cost


@pytest.mark.slow
def test_an_idle_agent_and_a_heartbeat_cost_redis_next_to_nothing() -> None:
    proof = n20_idle_cost.prove(Options(seed=1, scale=0.15))
    sent = {name: count for name, count in proof.occurred.items() if name != "heartbeats"}
    assert sent and sum(sent.values()) <= 7, f"in 6 s: {proof.measured}, {sent}"
    assert proof.occurred["heartbeats"] >= 300
