"""Agents: taking and leaving a name, dead holders, requests, and what listings show."""

import subprocess
import sys

import pytest

from queues.errors import InvalidName, InvalidValue, UnknownAgent
from queues.identity import ProcessIdentity
from queues.presence import Clash, Presence, Registered
from queues.states import State
from tests.queues.floor import Floor

HERE = ProcessIdentity.here()
ELSEWHERE = ProcessIdentity(host="elsewhere", pid=7, boot_id="other-boot/pid:[1]", started="5")


@pytest.fixture
def presence(floor: Floor) -> Presence:
    return Presence(floor.scripts)


def register(presence: Presence, name: str = "a1", instance: str = "one", **more):
    settings = {"limit": 2, "identity": ELSEWHERE, **more}
    return presence.register(name, ["default"], instance=instance, **settings)


def test_an_agent_is_listed_with_all_it_said(presence):
    presence.register("a1", ["ml", "default"], limit=3, instance="one", identity=HERE, info={"version": "1.0"})
    (agent,) = presence.all()
    assert (agent.name, agent.queues, agent.limit, agent.running) == ("a1", ("ml", "default"), 3, 0)
    assert (agent.identity, agent.state, agent.request) == (HERE, "running", None)
    assert agent.info == {"version": "1.0"}


def test_a_name_with_a_living_holder_is_a_clash_that_says_where_it_runs(presence):
    register(presence)
    clash = register(presence, instance="two", identity=HERE)
    assert isinstance(clash, Clash)
    assert (clash.holder, clash.instance) == (ELSEWHERE, "one")
    assert presence.get("a1").instance == "one"


def test_registering_again_changes_nothing_but_what_is_said(presence):
    register(presence)
    presence.request("a1", "drain", actor="user:ann")
    assert isinstance(register(presence, limit=5), Registered)
    assert (presence.get("a1").limit, presence.get("a1").request) == (5, "drain")


def test_taking_over_a_dead_holder_gives_its_runs_back_at_once_with_one_loss(floor, presence):
    register(presence)
    floor.start("r1")
    taken = register(presence, instance="two", takeover="one")
    assert taken == Registered(released=("r1",))
    run = floor.run("r1")
    assert (run.state, run.lost, run.held) == (State.QUEUED, 1, ())
    assert floor.claim_ids() == ["r1"]


def test_a_takeover_ends_a_run_that_must_not_run_twice(floor, presence):
    register(presence)
    floor.start("r1", on_lost="crash")
    register(presence, instance="two", takeover="one")
    assert floor.state("r1") == State.CRASHED


def test_a_takeover_of_another_instance_than_the_holder_is_a_clash(floor, presence):
    register(presence)
    floor.start("r1")
    assert isinstance(register(presence, instance="three", takeover="zero"), Clash)
    assert floor.state("r1") == State.RUNNING


def test_a_repeated_takeover_does_not_touch_the_runs_claimed_since(floor, presence):
    register(presence)
    register(presence, instance="two", takeover="one")
    floor.start("r1")
    assert register(presence, instance="two", takeover="one") == Registered(released=())
    assert floor.state("r1") == State.RUNNING


def test_the_name_of_a_silent_agent_is_free_and_its_runs_wait_for_their_lease(floor, presence):
    register(presence)
    floor.start("r1")
    floor.travel(33)
    assert presence.get("a1").state == "lost"
    assert register(presence, instance="two") == Registered(released=())
    assert presence.unregister("a1", "two") == ()
    assert floor.state("r1") == State.RUNNING


def test_the_holder_of_a_name_is_known_however_long_it_was_silent(floor, presence):
    assert presence.holder("a1") is None
    register(presence, identity=HERE)
    floor.travel(3600)
    holder = presence.holder("a1")
    assert (holder.instance, holder.holder, holder.holder.is_gone()) == ("one", HERE, False)


def test_a_holder_that_nobody_can_tell_is_nobody(floor, presence):
    register(presence)
    floor.redis.hset(floor.keys.agent("a1"), "pid", "seven")
    assert presence.holder("a1") is None


def test_leaving_gives_held_runs_back_without_a_loss(floor, presence):
    register(presence)
    floor.start("r1")
    assert presence.unregister("a1", "one", reason="drained") == ("r1",)
    assert (floor.run("r1").state, floor.run("r1").lost) == (State.QUEUED, 0)
    assert presence.all() == []
    assert presence.unregister("a1", "one") == ()


def test_an_old_instance_can_not_unregister_its_successor(presence):
    register(presence)
    register(presence, instance="two", takeover="one")
    presence.unregister("a1", "one")
    assert presence.get("a1").instance == "two"


def test_an_agent_that_left_leaves_no_key_of_its_own_behind(floor, presence):
    before = set(floor.redis.keys())
    register(presence)
    floor.claim_ids()
    presence.request("a1", "drain", actor="user:ann")
    presence.unregister("a1", "one")
    left = {key.decode() for key in set(floor.redis.keys()) - before}
    assert left == {"{headgate}:changes", "{headgate}:listened", "{headgate}:rq:queues"}


def test_the_agent_that_left_a_queue_last_is_remembered(floor, presence):
    for name in ("a1", "a2"):
        presence.register(name, ["default", "no-such-queue"], limit=2, instance="one", identity=ELSEWHERE)
    assert presence.last("default") is None
    presence.request("a2", "drain", actor="user:ann")
    presence.unregister("a1", "one")
    assert (presence.last("default").name, presence.last("default").request) == ("a1", None)
    floor.travel(5)
    presence.unregister("a2", "one")
    left = presence.last("default")
    assert (left.name, left.host, left.request) == ("a2", "elsewhere", "drain")
    assert 0 <= floor.scripts.now_us() - left.at_us < 2_000_000 and presence.last("no-such-queue") is None


def test_a_renewal_is_a_heartbeat_and_learns_the_request(floor, presence):
    register(presence)
    presence.request("a1", "drain", actor="user:ann")
    floor.travel(20)
    renewed = floor.agent().renew([], state="draining", info={"instance": "one"})
    assert (renewed.registered, renewed.request) == (True, "drain")
    floor.travel(20)
    assert presence.get("a1").state == "draining"


def test_a_renewal_tells_an_agent_whose_name_was_taken_to_register_again(floor, presence):
    register(presence)
    register(presence, instance="two", takeover="one")
    assert not floor.agent().renew([], info={"instance": "one"}).registered
    assert not floor.agent("nobody").renew([]).registered


def test_a_stop_is_not_taken_back_by_a_drain(presence):
    register(presence)
    presence.request("a1", "stop", actor="user:ann")
    presence.request("a1", "drain", actor="user:bob")
    assert presence.get("a1").request == "stop"


def test_a_request_wakes_the_agent(floor, presence):
    register(presence)
    presence.request("a1", "stop", actor="user:ann")
    assert floor.redis.lrange(floor.keys.wake("a1"), 0, -1) == [b"stop"]


def test_an_unknown_agent_is_named_with_the_nearest(presence):
    register(presence, "builder")
    with pytest.raises(UnknownAgent, match="did you mean 'builder'"):
        presence.request("bilder", "drain", actor="user:ann")
    with pytest.raises(UnknownAgent):
        presence.get("x")


@pytest.mark.parametrize("name", ["", "A", "a b", "a{b}", "scheduler", "x" * 129])
def test_names_that_agents_may_not_have_are_refused(presence, name):
    with pytest.raises(InvalidName):
        register(presence, name)


def test_a_limit_out_of_range_is_refused(presence):
    with pytest.raises(InvalidValue):
        register(presence, limit=0)


def test_a_process_is_gone_when_its_pid_is_free_or_another_s():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessIdentity.of(child.pid)
    assert not identity.is_gone()
    child.kill()
    child.communicate()
    assert identity.is_gone()
    assert ProcessIdentity(host=HERE.host, pid=HERE.pid, boot_id=HERE.boot_id, started="1").is_gone()


def test_a_process_of_another_boot_container_or_machine_is_not_known_to_be_gone():
    boot, _, namespace = HERE.boot_id.partition("/")
    cloned = ProcessIdentity(host=HERE.host, pid=1, boot_id=f"earlier/{namespace}", started="1")
    contained = ProcessIdentity(host=HERE.host, pid=1, boot_id=f"{boot}/pid:[1]", started="1")
    assert cloned.may_be_from_here() and contained.may_be_from_here()
    assert not ELSEWHERE.may_be_from_here() and not HERE.may_be_from_here()
    assert not any(process.is_gone() for process in (cloned, contained, ELSEWHERE, HERE))


def test_an_agent_that_sends_its_clock_shows_it_beside_when_it_was_seen(floor, presence):
    register(presence)
    assert presence.get("a1").clock_us is None
    floor.agent("a1").renew([], info={"clock": "1700000000000000"})
    agent = presence.get("a1")
    assert agent.clock_us == 1_700_000_000_000_000 and "clock" not in agent.info
