"""The measurements measure something: each runs small here, untimed; `make bench` runs them in earnest."""

from tests.benchmarks import bare_loops
from tests.benchmarks.protocol import Protocol


def test_the_bare_loops_take_every_item_through_a_process(redis):
    assert bare_loops.interpreter_rate(redis, runs=6, slots=2) > 0
    assert bare_loops.fork_rate(redis, runs=6, slots=2) > 0
    assert redis.dbsize() == 0


def test_the_protocol_claims_and_finishes_what_it_enqueues(redis):
    protocol = Protocol(redis)
    assert protocol.enqueues(20) > 0
    assert protocol.claims_alone(10) > 0
    assert protocol.lifecycles(10) > 0
    assert redis.zcard("{headgate}:runs:COMPLETED") == 20


def test_bytes_per_run_are_those_of_keys_that_stay(redis):
    waiting, finished = Protocol(redis).bytes_per_run(50)
    assert 200 < finished < waiting < 5000
    assert redis.zcard("{headgate}:runs:COMPLETED") == 50
