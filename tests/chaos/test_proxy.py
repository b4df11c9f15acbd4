"""Each thing that the proxy does to a connection looks to its client as it does in a network."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
import redis as redis_py

from queues.connection import connect
from queues.errors import RedisFailure, RedisUnreachable
from tests.chaos import links
from tests.chaos.proxy import Proxy
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

COUNT = "redis.call('INCR', 'count') return redis.call('GET', 'count')"


@pytest.fixture
def proxy(redis_server: RedisServer, redis: redis_py.Redis) -> Iterator[Proxy]:
    made = Proxy(redis_server.socket)
    try:
        yield made
    finally:
        made.close()


def client(proxy: Proxy, name: str = "one", timeout: float = 0.4) -> redis_py.Redis:
    return connect(proxy.door(name).url, timeout=timeout)


def test_what_is_not_struck_passes(proxy: Proxy) -> None:
    one = client(proxy, timeout=3.0)
    one.set("text", "x" * 300_000)
    assert len(one.get("text")) == 300_000 and not proxy.struck


def test_a_connection_is_reset_and_the_next_one_works(proxy: Proxy) -> None:
    one, other = client(proxy), client(proxy, "other")
    with socket.create_connection(proxy.door("one").listener.getsockname(), timeout=5) as plain:
        wait_until(lambda: len(proxy.doors["one"].links) == 2)
        proxy.strike("one", links.CUT)
        with pytest.raises(ConnectionResetError):
            plain.recv(1)
    assert one.ping() and other.ping() and proxy.struck[links.CUT] == 2


def test_a_half_open_connection_is_silent_on_both_sides(proxy: Proxy) -> None:
    one = client(proxy)
    one.ping()
    proxy.strike("one", links.HALF_OPEN)
    with pytest.raises(RedisUnreachable, match="in time"):
        one.set("sent", "1")
    assert one.get("sent") is None, "a new connection works, and what was sent on the old one is gone"


@pytest.mark.parametrize("kind", links.ARMED)
def test_a_call_whose_reply_is_lost_was_made(proxy: Proxy, redis: redis_py.Redis, kind: str) -> None:
    one = client(proxy)
    one.ping()
    proxy.strike("one", kind)
    with pytest.raises(RedisUnreachable):
        one.eval(COUNT, 0)
    assert redis.get("count") == b"1" and proxy.struck[kind] == 1


def test_a_door_that_is_cut_off_delivers_late_what_was_sent_meanwhile(proxy: Proxy, redis: redis_py.Redis) -> None:
    one = client(proxy)
    one.ping()
    proxy.strike("one", links.CUT_OFF, 1.0)
    with pytest.raises(RedisUnreachable, match="in time"):
        one.set("late", "1")
    assert redis.get("late") is None and client(proxy, "other").ping()
    wait_until(lambda: redis.get("late") == b"1")


def test_a_slow_door_is_only_slow(proxy: Proxy) -> None:
    one = client(proxy, timeout=3.0)
    proxy.strike("one", links.DELAY, 5.0)
    proxy.strike("one", links.TRICKLE, 5.0)
    assert one.echo("some words") == b"some words"
    assert proxy.struck[links.DELAY] and proxy.struck[links.TRICKLE]


def test_a_wake_up_is_lost_as_if_nothing_had_come(proxy: Proxy, redis: redis_py.Redis) -> None:
    one = client(proxy, timeout=3.0)
    redis.rpush("list", "word")
    proxy.strike("one", links.DEAF, 5.0)
    assert one.blpop(["list"], timeout=1) is None
    assert redis.llen("list") == 0 and proxy.struck[links.DEAF] == 1


def test_without_redis_all_doors_refuse_until_it_is_back(own_redis: RedisServer) -> None:
    proxy = Proxy(own_redis.socket)
    try:
        one, address = client(proxy), proxy.door("one").listener.getsockname()
        own_redis.kill()
        wait_until(lambda: refused(address))
        with pytest.raises(RedisUnreachable) as found:
            one.ping()
        assert found.value.away
        own_redis.start()
        wait_until(lambda: answers(one))
    finally:
        proxy.close()


def test_a_shut_proxy_lets_nobody_in(proxy: Proxy) -> None:
    one = client(proxy)
    proxy.shut()
    began = time.monotonic()
    with pytest.raises(RedisFailure):
        client(proxy)
    assert time.monotonic() - began < 0.3
    proxy.open()
    assert wait_until(lambda: answers(one))


def refused(address: tuple[str, int]) -> bool:
    with contextlib.suppress(ConnectionResetError):
        try:
            socket.create_connection(address, timeout=1).close()
        except ConnectionRefusedError:
            return True
    return False


def answers(one: redis_py.Redis) -> bool:
    with contextlib.suppress(RedisFailure):
        return bool(one.ping())
    return False
