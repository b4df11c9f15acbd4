"""The return of Redis: when a window opens, what it holds back, and how runs with a lost claim are taken back."""

import shutil
import tempfile
from pathlib import Path

import pytest

from queues.claims import Held
from queues.connection import connect
from queues.recovery import Greeting, WindowLength
from queues.redis_server import EmbeddedRedis
from queues.states import State
from tests.queues.floor import Floor
from tests.support.redis_users import end_of_server


def greet(floor: Floor, run_id: str) -> None:
    """Greet as a new connection to a server of that run id does."""
    floor.scripts.call("greet", run_id=run_id, installation="i1", **WindowLength().arguments())


def window(redis):
    """When nothing expires and nobody claims until, and why; None when there never was a window."""
    found = redis.hmget("{headgate}:recovery", "no_expiry_before", "no_claims_before", "reason")
    return None if found[0] is None else (int(found[0]), int(found[1] or 0), found[2].decode())


def lose_tail(floor: Floor, before: dict[bytes, bytes]) -> None:
    """Put Redis back to an earlier moment, as a crash does that loses the end of the log."""
    floor.redis.flushall()
    for key, value in before.items():
        floor.redis.restore(key, 0, value)


def test_the_first_greeting_ever_opens_no_window(floor):
    greet(floor, "one")
    assert window(floor.redis) is None


def test_the_same_server_opens_no_window_again(floor):
    greet(floor, "one")
    greet(floor, "one")
    assert window(floor.redis) is None


def test_another_server_opens_one(floor):
    greet(floor, "one")
    greet(floor, "two")
    no_expiry, no_claims, reason = window(floor.redis)
    now = floor.scripts.now_us()
    assert reason == "Redis was restarted"
    assert no_claims == pytest.approx(now + 2_000_000, abs=1_000_000)
    assert no_expiry == pytest.approx(now + 32_000_000, abs=1_000_000)


def test_a_server_that_ended_cleanly_is_followed_without_a_window(floor):
    greet(floor, "one")
    floor.redis.hset(floor.keys.recovery, "ended_cleanly", "one")
    greet(floor, "two")
    assert window(floor.redis) is None
    greet(floor, "three")
    assert window(floor.redis) is not None


def test_nobody_claims_for_two_seconds(floor):
    greet(floor, "one")
    floor.make("r1")
    greet(floor, "two")
    reply = floor.agent().claim(["default"], 1, claim_id="c1")
    assert (reply.claims, 0 < reply.hold_us <= 2_000_000) == ([], True)
    floor.travel(2.1)
    assert floor.claim_ids() == ["r1"]


def test_nothing_expires_within_lease_and_grace(floor):
    greet(floor, "one")
    floor.start("r1")
    floor.travel(31)
    greet(floor, "two")
    floor.travel(30)
    assert floor.leases.expire_once().count == 0
    floor.travel(3)
    assert floor.leases.expire_once().requeued == ("r1",)


def test_new_tokens_are_far_above_lost_ones(floor):
    greet(floor, "one")
    before = floor.start("r1").token
    greet(floor, "two")
    floor.travel(2.1)
    assert floor.start("r2").token > before + 1_000_000


def test_new_tokens_are_above_those_of_a_return_that_was_lost_itself(floor):
    greet(floor, "one")
    floor.make("r1")
    before = floor.dump()
    greet(floor, "two")
    floor.travel(2.1)
    (lost,) = floor.claim()
    lose_tail(floor, before)
    greet(floor, "three")
    floor.travel(2.1)
    (claim,) = floor.claim()
    assert (claim.run_id, claim.token > lost.token) == (lost.run_id, True)


def test_new_tokens_are_above_lost_ones_when_the_clock_was_set_back(floor):
    greet(floor, "one")
    greet(floor, "two")
    floor.travel(2.1)
    before = floor.start("r1").token
    floor.travel(-3600)
    greet(floor, "three")
    floor.travel(2.1)
    assert floor.start("r2").token > before + 1_000_000


def test_a_renewal_takes_back_a_run_whose_claim_was_lost(floor):
    greet(floor, "one")
    floor.make("r1", "r2")
    before = floor.dump()
    (claim,) = floor.claim()
    lose_tail(floor, before)
    greet(floor, "two")
    held = [Held(run_id="r1", token=claim.token, claim_id=claim.claim_id, confirmed=True)]
    assert set(floor.agent().renew(held).deadlines) == {"r1"}
    assert floor.state("r1") == State.RUNNING
    floor.travel(2.1)
    assert floor.claim_ids(2) == ["r2"]
    assert floor.finish(claim).answer == "ok"


def test_after_the_window_a_lost_claim_stays_lost(floor):
    greet(floor, "one")
    floor.make("r1")
    before = floor.dump()
    (claim,) = floor.claim()
    lose_tail(floor, before)
    greet(floor, "two")
    floor.travel(33)
    held = [Held(run_id="r1", token=claim.token, claim_id=claim.claim_id)]
    assert floor.agent().renew(held).lost == {"r1"}


def test_a_killed_server_opens_a_window_and_tells_who_knew_the_one_before(own_redis):
    returns = []
    client = connect(own_redis.url, greet=Greeting(on_return=lambda: returns.append(True)))
    assert client.ping()
    own_redis.restart()
    assert client.ping()
    assert returns == [True]
    assert window(client) is not None


def test_the_embedded_server_ends_cleanly_and_comes_back_without_a_window():
    home = Path(tempfile.mkdtemp(prefix="hge"))
    for _ in range(2):
        with EmbeddedRedis.acquire(home) as held:
            client = connect(held.url, greet=Greeting())
            assert window(client) is None
        end_of_server(home)
    shutil.rmtree(home)
