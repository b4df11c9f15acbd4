"""The client's verbs on the limits of tags, and the slots of any limit."""

import pytest

from orchestrator.errors import NotFound
from queues.errors import InvalidValue
from tests.support.deployments import Worker, spec


@pytest.fixture
def tagged(client, store):
    """A deployment with the tag gpu, whose limit is 1: one run of it runs, two wait."""
    client.set_tag_limit("gpu", 1)
    client.create_from_spec(spec(tags=["gpu"]))
    runs = [client.run_deployment("nightly") for _ in range(3)]
    worker = Worker(store, "ant")
    worker.start()
    worker.claim()
    return runs


def test_a_tag_limit_is_made_changed_and_left_with_the_number_before(client):
    done = [client.set_tag_limit("gpu", number) for number in (2, 3, 3)]
    assert [(one.status, one.before) for one in done] == [("created", None), ("updated", 2), ("unchanged", 3)]
    client.set_tag_limit("api", 5)
    client.create_work_queue("ml", limit=4)
    assert [(one.tag, one.concurrency_limit) for one in client.list_tag_limits()] == [("api", 5), ("gpu", 3)]


def test_a_tag_limit_shows_who_holds_it_and_what_is_parked(client, tagged):
    shown = client.get_tag_limit("gpu")
    assert (shown.running, shown.parked, shown.deployments) == (1, 2, ("score/nightly",))
    assert [(slot.run_id, slot.agent) for slot in shown.holders] == [(tagged[0].id, "ant")]
    assert client.list_tag_limits()[0].parked == 2
    assert (shown.changes[0].what, shown.changes[0].new, shown.changes[0].who) == ("limit", "1", "ada@lab")


def test_without_its_limit_the_parked_runs_of_a_tag_stand_in_line_again(client, store, tagged):
    assert client.delete_tag_limit("gpu").parked == 2
    assert client.list_tag_limits() == []
    assert len(Worker(store, "bee").claim(5)) == 2


def test_unknown_tags_and_impossible_limits_change_nothing(client):
    client.set_tag_limit("gpu", 2)
    for verb in (client.get_tag_limit, client.delete_tag_limit):
        with pytest.raises(NotFound) as unknown:
            verb("gpuu")
        assert "gpu" in unknown.value.hint
    for tag, limit in (("Gpu", 1), ("a b", 1), ("", 1), ("gpu", 0), ("gpu", 10_001)):
        with pytest.raises(InvalidValue):
            client.set_tag_limit(tag, limit)
    assert [(one.tag, one.concurrency_limit) for one in client.list_tag_limits()] == [("gpu", 2)]


def test_the_slots_of_a_queue_say_for_how_long_their_leases_last(client, store, tagged):
    client.set_concurrency_limit("default", 4)
    store.travel(12_000_000)
    slots = client.work_queue_slots("default")
    assert (slots.concurrency_limit, slots.running, slots.free) == (4, 1, 3)
    (slot,) = slots.holders
    assert slot.run_id == tagged[0].id and slot.lease_left_seconds == pytest.approx(18, abs=2)
    store.travel(30_000_000)
    assert client.work_queue_slots("default").holders[0].lease_left_seconds < 0
    store.scripts.redis.delete(store.keys.leases)
    assert client.work_queue_slots("default").holders[0].lease_until is None


def test_a_lowered_or_missing_limit_has_no_negative_number_of_free_slots(client, store):
    client.create_from_spec(spec())
    for _ in range(3):
        client.run_deployment("nightly")
    Worker(store).claim(3)
    assert client.work_queue_slots("default").free is None
    client.set_concurrency_limit("default", 1)
    assert (client.work_queue_slots("default").running, client.work_queue_slots("default").free) == (3, 0)
