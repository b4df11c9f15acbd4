"""The proofs about killed, frozen and ending agents, with small numbers: that the situations occur, and nothing breaks.

How long a recovery takes is for the full proof on a machine that does nothing else.
"""

import pytest

from tests.chaos.proof import Options, find


@pytest.mark.slow
@pytest.mark.parametrize("name", ["n03", "n04"])
def test_every_run_of_a_killed_agent_starts_again(name: str) -> None:
    proof = find(name).prove(Options(seed=3, scale=0.07))
    assert sum(count for what, count in proof.occurred.items() if "runs" in what) >= 4, proof.measured


@pytest.mark.slow
def test_frozen_owners_overlap_nobody() -> None:
    proof = find("n05").prove(Options(seed=3, scale=0.05))
    assert proof.met, proof.measured
    assert proof.occurred["frozen supervisors killed by the kernel"] >= 3
    assert proof.occurred["runs of a still frozen owner started elsewhere"] >= 1


@pytest.mark.slow
def test_nothing_of_hostile_flows_is_left_however_they_lose_their_agent() -> None:
    proof = find("n06").prove(Options(seed=3, scale=0.2))
    assert proof.met, proof.measured
    assert proof.occurred["daemons that were there"] >= 9


@pytest.mark.slow
def test_an_agent_that_is_told_to_end_claims_nothing_more_and_gives_its_runs_back() -> None:
    proof = find("n13").prove(Options(seed=3, scale=0.1))
    assert proof.occurred["agents with flows that ignore SIGTERM"] >= 4
    assert proof.met, proof.measured
