"""A stranger's EXPIRE is taken off, an eviction policy and dropped keys are told with the remedy; all are counted."""

import pytest

from queues.connection import connect
from queues.key_watch import KeyWatch
from queues.scripts import Scripts
from tests.queues.floor import Floor


@pytest.fixture
def watch(scripts):
    return KeyWatch(scripts, kinds=("schedule",))


def counters(floor):
    return {name.decode(): int(count) for name, count in floor.redis.hgetall(floor.keys.counters).items()}


def lives(floor):
    """Seconds that every key has to live."""
    found = floor.redis.keys()
    return {key: floor.redis.ttl(key) for key in found}


def test_what_must_stay_no_longer_expires(floor, watch):
    floor.make("r1")
    floor.redis.hset("{headgate}:schedule:d1", "body:x", "{}")
    keys = [floor.keys.run("r1"), floor.keys.waiting("default"), "{headgate}:schedule:d1"]
    for key in keys:
        floor.redis.expire(key, 1000)
    found = watch.look()
    assert set(found.freed) == set(keys) and "find who sets EXPIRE" in found.problems[0]
    assert [floor.redis.ttl(key) for key in keys] == [-1, -1, -1]
    assert counters(floor)["keys_freed"] == 3 and watch.look().problems == ()
    assert abs(int(floor.redis.hget(floor.keys.counted, "keys_freed")) - floor.scripts.now_us()) < 60_000_000


def test_looking_for_what_expires_changes_nothing(floor, watch):
    floor.make("r1")
    floor.redis.expire(floor.keys.queues, 1000)
    floor.redis.expire(floor.keys.rq_job("r1"), 1000)
    asked = [*watch.vital(), *(key.decode() for key in floor.redis.scan_iter())]
    assert watch.expiring(asked) == [floor.keys.queues] and floor.redis.ttl(floor.keys.queues) > 0


def test_what_may_expire_and_what_is_not_ours_is_left_alone(floor, watch):
    floor.make("r1")
    floor.claim()
    floor.claim()
    for stranger in ("other", "{headgate}:other:1", floor.keys.rq_job("r1")):
        floor.redis.set(stranger + "x", "1", ex=1000)
    before = lives(floor)
    assert watch.look().freed == ()
    assert lives(floor) == pytest.approx(before, abs=1)
    assert sum(left > 0 for left in before.values()) > 3


def test_every_key_is_looked_at_in_turn(floor, watch):
    floor.make(*(f"r{number}" for number in range(2000)))
    floor.redis.expire(floor.keys.run("r1234"), 1000)
    assert any(watch.look().freed for _ in range(20))
    assert floor.redis.ttl(floor.keys.run("r1234")) == -1


def test_a_key_that_never_goes_and_is_gone_is_told(floor, watch):
    floor.start("r1")
    assert watch.look().gone == ()
    floor.redis.delete(floor.keys.token, floor.keys.waiting("default"))
    found = watch.look()
    assert found.gone == ("token",) and "restore a backup" in found.problems[0]
    assert watch.look().gone == () and counters(floor)["keys_gone"] == 1


def test_an_eviction_policy_that_is_set_later_is_told_and_what_it_drops_is_counted(own_redis):
    client = connect(own_redis.url)
    floor, watch = Floor(Scripts(client)), KeyWatch(Scripts(client))
    floor.make(*(f"r{number}" for number in range(50)), fields={"big": "x" * 4000})
    assert watch.look().problems == ()
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 20_000)
    client.set("other", "x" * 1000)
    client.config_set("maxmemory", 0)
    found = watch.look()
    assert found.dropped > 0 and [word in " ".join(found.problems) for word in ("noeviction", "dropped")] == [True] * 2
