"""The measurements measure something: each runs small here, untimed; `make bench` runs them in earnest."""

from datetime import timedelta

from orchestrator.client.deployments import placed
from orchestrator.deployments import deployment_id
from orchestrator.schedules import IntervalSchedule
from orchestrator.store import Store
from tests.benchmarks import bare_loops
from tests.benchmarks.clockwork import in_seconds
from tests.benchmarks.many_deployments import store_deployments
from tests.benchmarks.protocol import Protocol
from tests.support.deployments import spec


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


def test_deployments_stored_many_at_a_time_are_those_stored_one_by_one(redis):
    store = Store(redis)
    schedule = IntervalSchedule(timedelta(days=30), anchor_date=in_seconds(86_400))
    first = placed(spec(schedule), store.scripts.now_us())
    one, many = spec(schedule, name="one"), [spec(schedule, name=f"many-{number}") for number in range(3)]
    store.deployments.put(deployment_id("score", "one"), one, first, "bench")
    store_deployments(store, many, first)
    names = ("score/one", "score/many-0", "score/many-2")
    alone, *others = [store.deployments.find(name) for name in names]
    assert redis.zcard(store.keys.due) == 4
    for other in others:
        assert other.spec == alone.spec | {"name": other.spec["name"]}
        assert (other.revision, other.schedules[0].text) == (1, alone.schedules[0].text)
