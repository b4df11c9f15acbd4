"""Names that flap, resolve to two addresses or to none in time; and connections that are broken off."""

import socket
import threading
import time

import pytest

from queues import sockets
from queues.connection import connect, connect_blocking
from queues.errors import RedisUnreachable
from tests.support.strangers import redis_that_says, stranger
from tests.support.waiting import wait_until


def resolves_to(monkeypatch, answer):
    """Let the host `redis.example` resolve to this from now on; returns a list that grows with each question."""
    asked = []

    def getaddrinfo(host, port, **_):
        asked.append(host)
        if isinstance(answer, OSError):
            raise answer
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in answer]
        pairs = zip(kinds, answer, strict=True)
        return [(kind, socket.SOCK_STREAM, 6, "", (address, port)) for kind, address in pairs]

    monkeypatch.setattr(sockets.socket, "getaddrinfo", getaddrinfo)
    return asked


def silent_address():
    """A listener on 127.0.0.3 whose queue is full, so that further connections to it get no answer at all."""
    full = socket.create_server(("127.0.0.3", 0), backlog=0)
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(full.getsockname())
    return full, waiting


SERVES = redis_that_says(redis_version="7.0.0", redis_mode="standalone", run_id="a" * 40)


def test_every_connection_resolves_the_host_again(monkeypatch):
    with stranger(SERVES) as port:
        resolves_to(monkeypatch, ["127.0.0.1"])
        client = connect(f"redis://redis.example:{port}")
        assert client.set("key", "value")
        resolves_to(monkeypatch, socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
        client.break_off()
        with pytest.raises(RedisUnreachable) as flapped:
            client.set("key", "value")
        assert (flapped.value.code, flapped.value.away) == ("unknown_host", False)
        asked = resolves_to(monkeypatch, ["127.0.0.1"])
        assert client.set("key", "value") and asked


def test_a_first_address_that_refuses_does_not_hide_the_second(monkeypatch):
    with stranger(SERVES) as port:
        resolves_to(monkeypatch, ["::1", "127.0.0.1"])
        assert connect(f"redis://redis.example:{port}").set("key", "value")


def test_a_first_address_without_a_word_costs_half_of_the_time_at_most(monkeypatch):
    full, waiting = silent_address()
    server = socket.create_server(("127.0.0.1", full.getsockname()[1]))
    try:
        resolves_to(monkeypatch, ["127.0.0.3", "127.0.0.1"])
        threading.Thread(target=answer_one, args=(server,), daemon=True).start()
        began = time.monotonic()
        assert connect(f"redis://redis.example:{server.getsockname()[1]}", timeout=1.0).set("key", "value")
        assert 0.4 < time.monotonic() - began < 1.0
    finally:
        for each in (full, server, *waiting):
            each.close()


def answer_one(server):
    peer, _ = server.accept()
    with peer:
        while got := peer.recv(65536):
            peer.sendall(SERVES(got))


def test_an_address_that_takes_connections_and_is_silent_comes_last_at_the_next_try(monkeypatch):
    silent = socket.create_server(("127.0.0.3", 0))
    server = socket.create_server(("127.0.0.1", silent.getsockname()[1]))
    try:
        resolves_to(monkeypatch, ["127.0.0.3", "127.0.0.1"])
        threading.Thread(target=answer_one, args=(server,), daemon=True).start()
        client = connect(f"redis://redis.example:{server.getsockname()[1]}", timeout=0.3, eager=False)
        with pytest.raises(RedisUnreachable, match="in time"):
            client.set("key", "value")
        assert client.set("key", "value")
    finally:
        silent.close()
        server.close()


def test_a_name_server_that_is_silent_costs_no_more_than_the_time_out(monkeypatch):
    over, truly = threading.Event(), sockets.socket.getaddrinfo

    def getaddrinfo(host, port, **options):
        # Threads of other tests may still dial: they get their answer.
        return over.wait(20) if host == "redis.example" else truly(host, port, **options)

    monkeypatch.setattr(sockets.socket, "getaddrinfo", getaddrinfo)
    began = time.monotonic()
    with pytest.raises(RedisUnreachable) as found:
        connect("redis://redis.example", timeout=0.5)
    over.set()
    assert time.monotonic() - began < 1.5 and found.value.code == "unknown_host"


def test_calls_under_way_are_broken_off_from_another_thread(redis_url):
    client = connect_blocking(redis_url, longest_block=20)
    ended = []

    def wait():
        with pytest.raises(RedisUnreachable):
            client.blpop("nothing", 20)
        ended.append(True)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    wait_until(lambda: connect(redis_url).info("clients")["blocked_clients"] == 1)
    client.break_off()
    waiting.join(5)
    assert ended and client.ping()


def test_a_peer_that_vanished_is_noticed_by_the_kernel_where_nothing_is_sent():
    with stranger(SERVES) as port:
        client = connect(f"redis://127.0.0.1:{port}")
        made = client.connection_pool.get_connection()._sock
        wanted = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
        assert {name: made.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in wanted} == wanted
