"""The proof of calls that are sent again, on a small scale, and that it forgets no script."""

from tests.chaos.proof import Options
from tests.chaos.proofs import n11_resent_calls
from tests.chaos.resent_calls import Stage, every_verb


def test_no_script_has_a_second_effect_when_its_answer_is_lost_and_it_is_sent_again() -> None:
    proof = n11_resent_calls.prove(Options(seed=1, scale=0.01))
    print(proof.measured, dict(proof.occurred))
    assert proof.met, proof.measured
    assert proof.occurred["replies swallowed"] >= 2 * len(every_verb())


def test_every_script_has_a_call_that_is_sent_again() -> None:
    assert len(every_verb()) > 25
    assert [verb for verb in every_verb() if not hasattr(Stage, verb)] == []
