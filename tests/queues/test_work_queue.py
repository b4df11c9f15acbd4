"""Work queues: making, finding, pausing and counting them."""

import pytest

from queues.errors import AmbiguousQueue, InvalidName, InvalidValue, QueueExists, UnknownQueue
from queues.keys import queue_id
from tests.queues.floor import Floor


def test_a_new_queue_is_read_as_it_was_made(floor: Floor) -> None:
    made = floor.queues.create("ml", limit=3, priority=2, lease=45, on_disconnect="keep", description="GPU jobs")
    assert made == floor.queues.get("ml")
    assert (made.id, made.concurrency_limit, made.priority, made.lease_seconds) == (queue_id("ml"), 3, 2, 45.0)
    assert (made.on_disconnect, made.description, made.paused) == ("keep", "GPU jobs", False)
    assert (made.queued, made.running, made.late, made.agents) == (0, 0, 0, 0)


def test_default_is_always_there_and_has_no_limit(floor: Floor) -> None:
    assert [queue.name for queue in floor.queues.all()] == ["default"]
    assert floor.queues.get("default").concurrency_limit is None
    floor.queues.pause("default", "ann")
    assert floor.queues.get("default").paused


def test_a_queue_is_made_once(floor: Floor) -> None:
    floor.queues.create("ml", limit=3)
    with pytest.raises(QueueExists, match="'ml'"):
        floor.queues.create("ml", limit=5)
    assert floor.queues.get("ml").concurrency_limit == 3


def test_a_queue_has_its_limit_from_its_first_moment(floor: Floor) -> None:
    floor.redis.config_resetstat()
    floor.queues.create("ml", limit=3, actor="ann")
    stats = floor.redis.info("commandstats")
    assert sum(stats[name]["calls"] for name in stats if name.startswith("cmdstat_eval")) == 2, "made, and read"
    fields = [(entry[b"field"], entry[b"new"]) for _, entry in floor.redis.xrange(floor.keys.changes)]
    assert fields == [(b"created", b"ml"), (b"limit", b"3")]


@pytest.mark.parametrize("name", ["", "ML", "-ml", "a b", "a|b", "a\nb", "x" * 129, "é"])
def test_a_bad_name_is_refused(floor: Floor, name: str) -> None:
    with pytest.raises(InvalidName, match="work queue"):
        floor.queues.create(name)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"priority": 0}, {"priority": 1001}, {"lease": 0.5}, {"on_disconnect": "sulk"}]
)
def test_a_bad_setting_is_refused_and_makes_nothing(floor: Floor, wrong: dict) -> None:
    with pytest.raises(InvalidValue):
        floor.queues.create("ml", **wrong)
    assert floor.dump() == {}


def test_a_queue_is_found_by_name_id_or_unique_start_of_its_id(floor: Floor) -> None:
    floor.queues.create("ml")
    for wanted in ("ml", queue_id("ml"), queue_id("ml")[:8]):
        assert floor.queues.get(wanted).name == "ml"
    with pytest.raises(UnknownQueue, match="did you mean 'ml'"):
        floor.queues.get("mll")


def test_an_ambiguous_start_of_an_id_lists_what_fits(floor: Floor) -> None:
    names = [f"q{number}" for number in range(40)]
    for name in names:
        floor.queues.create(name)
    fitting = sorted(name for name in names if queue_id(name)[0] == queue_id("q0")[0])
    with pytest.raises(AmbiguousQueue) as caught:
        floor.queues.get(queue_id("q0")[0])
    assert sorted(caught.value.names) == fitting


def test_a_paused_queue_starts_nothing_and_what_runs_goes_on(floor: Floor) -> None:
    claim = floor.start("r1")
    floor.make("r2")
    assert floor.queues.pause("default", "user:ann") is True
    assert floor.queues.pause("default", "user:ann") is False
    assert floor.claim_ids() == []
    assert floor.finish(claim).state == "COMPLETED"
    floor.queues.resume("default", "user:ann")
    assert floor.claim_ids() == ["r2"]


def test_counts_include_parked_and_late_runs(floor: Floor) -> None:
    floor.limits.set("tag:gpu", 1, "ann")
    floor.make("r0", "r1", "r2", limits=("tag:gpu",), due_us=floor.scripts.now_us() - 16_000_000)
    floor.claim(9)
    floor.make("r3")
    queue = floor.queues.get("default")
    assert (queue.queued, queue.running, queue.late) == (3, 1, 2)


def test_queues_are_listed_by_priority_then_name(floor: Floor) -> None:
    for name, priority in (("z", 1), ("b", 7), ("a", 7)):
        floor.queues.create(name, priority=priority)
    assert [queue.name for queue in floor.queues.all()] == ["z", "a", "b", "default"]
    floor.queues.set_priority("b", 1, "ann")
    assert [queue.name for queue in floor.queues.all()] == ["b", "z", "a", "default"]


def test_agents_heard_of_lately_are_counted_where_they_listen(floor: Floor) -> None:
    floor.queues.create("ml")
    now = floor.scripts.now_us()
    for name, queues, age in (("a1", "default\nml", 1), ("a2", "ml", 1), ("dead", "ml", 90)):
        floor.redis.hset(floor.keys.agent(name), "queues", queues)
        floor.redis.zadd(floor.keys.agents, {name: now - age * 1_000_000})
    assert [(queue.name, queue.agents) for queue in floor.queues.all()] == [("default", 1), ("ml", 2)]


def test_every_change_is_kept_with_who_when_old_and_new(floor: Floor) -> None:
    floor.queues.create("ml", limit=2, actor="user:ann")
    floor.queues.pause("ml", "user:bob")
    floor.queues.set_limit("ml", 4, "user:bob")
    kept = [{k.decode(): v.decode() for k, v in fields.items()} for _, fields in floor.redis.xrange(floor.keys.changes)]
    assert [(c["actor"], c["subject"], c["field"], c["old"], c["new"]) for c in kept] == [
        ("user:ann", "queue:ml", "created", "", "ml"),
        ("user:ann", "queue:ml", "limit", "", "2"),
        ("user:bob", "queue:ml", "paused", "0", "1"),
        ("user:bob", "queue:ml", "limit", "2", "4"),
    ]
    assert all(abs(int(change["at"]) - floor.scripts.now_us()) < 5_000_000 for change in kept)


def test_many_queues_are_read_in_pieces_and_listed_whole(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queues.work_queue.READ_AT_ONCE", 3)
    for number in range(7):
        floor.queues.create(f"q{number}", limit=number + 1)
    floor.start("r1", queue="q6")
    found = {queue.name: (queue.concurrency_limit, queue.running) for queue in floor.queues.all()}
    assert found == {"default": (None, 0), "q6": (7, 1)} | {f"q{number}": (number + 1, 0) for number in range(6)}
