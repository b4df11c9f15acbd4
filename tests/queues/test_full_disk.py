"""The disk of Redis is full: nothing new is acknowledged, what runs goes on and ends after relief, nothing is lost."""

import pytest

from queues.claims import Held
from queues.connection import connect
from queues.errors import HeadgateQueueError, RedisFailure, RedisUnreachable
from queues.repair import Repair
from queues.scripts import Scripts
from tests.orchestrator.cli.conftest import Headgate
from tests.queues.floor import Floor
from tests.queues.oracle import check, look
from tests.support.redis_server import RedisServer
from tests.support.small_disk import fill, relieve, small_disk
from tests.support.waiting import wait_until

BIG = {"parameters": b"x" * 4000}


@pytest.fixture
def disk():
    with small_disk(3072) as folder:
        yield folder


@pytest.fixture
def server(disk):
    server = RedisServer(append_only=True, options={"dir": str(disk)})
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def floor(server):
    return Floor(Scripts(connect(server.url)))


def create_until_refused(floor):
    """Create runs until Redis takes no more; gives those it acknowledged, and the refusal."""
    acked = []
    with pytest.raises(RedisFailure) as refused:
        for number in range(5000):
            acked += floor.make(f"n{number}", data=BIG)
    return acked, refused.value


def takes_writes(floor):
    try:
        floor.scripts.redis.delete("nothing")
    except RedisFailure:
        return False
    return True


def all_is_well(floor, acked):
    """Every acknowledged run is there, once, in its place, and repair finds nothing."""
    assert None not in floor.runs.get_many(acked)
    check(look(floor))
    assert not dict(Repair(floor.scripts).repair_once().counts)


def test_a_full_disk_refuses_what_is_new_and_relief_loses_and_doubles_nothing(disk, server, floor, tmp_path):
    running, ending = floor.start("r1"), floor.start("r2")
    fill(disk, leave=100_000)
    acked, refused = create_until_refused(floor)
    assert isinstance(refused, RedisUnreachable) and (refused.code, refused.away) == ("not_saving", True)
    held = Held(run_id="r1", token=running.token, claim_id=running.claim_id, confirmed=True)
    for call in (lambda: floor.finish(ending), lambda: floor.agent().renew([held]), floor.leases.expire_once):
        with pytest.raises(RedisUnreachable, match="can not write to its disk"):
            call()
    headgate = Headgate(folder=tmp_path, settings={"HEADGATE_REDIS_URL": server.url})
    told = headgate("work-queue", "create", "ml", code=5).err
    assert "can not write to its disk" in told and "Free space" in told
    assert len(acked) > 10 and floor.run("r2").state == "RUNNING"
    relieve(disk)
    wait_until(lambda: takes_writes(floor), within=10)
    assert set(floor.agent().renew([held]).deadlines) == {"r1"}
    assert floor.finish(ending).answer == floor.finish(ending).answer == "ok"
    all_is_well(floor, acked)
    server.restart()
    floor = Floor(Scripts(connect(server.url)))
    all_is_well(floor, acked)
    assert (floor.state("r1"), floor.state("r2")) == ("RUNNING", "COMPLETED")


def test_with_strict_durability_a_full_disk_ends_the_server_and_what_it_acknowledged_is_there(disk, server):
    server.options["appendfsync"] = "always"
    server.restart()
    floor = Floor(Scripts(connect(server.url)))
    running = floor.start("r1")
    fill(disk, leave=100_000)
    acked, refused = create_until_refused(floor)
    assert isinstance(refused, RedisUnreachable) and len(acked) > 10
    server.process.wait(10)
    with pytest.raises(HeadgateQueueError) as away:
        connect(server.url)
    assert away.value.away, "agents keep what they run"
    relieve(disk)
    server.start()
    floor = Floor(Scripts(connect(server.url)))
    all_is_well(floor, acked)
    assert floor.finish(running).answer == "ok"


def test_a_command_that_would_add_something_to_a_redis_without_memory_ends_with_5(own_redis, tmp_path):
    own_redis.client().config_set("maxmemory", 1)
    headgate = Headgate(folder=tmp_path, settings={"HEADGATE_REDIS_URL": own_redis.url})
    told = headgate("work-queue", "create", "ml", code=5).err
    assert "memory limit" in told and "Raise its maxmemory" in told
    assert own_redis.client().exists("{headgate}:queue:ml") == 0
